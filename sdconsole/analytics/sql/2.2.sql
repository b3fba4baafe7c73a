SELECT cause AS label, 100.0 * count(*) / sum(count(*)) OVER () AS value, count(*) AS n, sum(count(*)) OVER () AS total
FROM (
    SELECT nullif(nullif(btrim("TKT-Root Cause Category"), ''), '--None--') AS cause
    FROM ({tickets}) AS tickets
    WHERE "TKT-Status" = ANY ({closed}::text[])
) AS closed
WHERE cause IS NOT NULL
GROUP BY cause
ORDER BY n DESC, label
LIMIT 10
