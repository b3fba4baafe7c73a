SELECT coalesce("TKT-Category", '(no category)') AS label,
       100.0 * count(*) / sum(count(*)) OVER () AS value,
       count(*) AS n,
       sum(count(*)) OVER () AS total
FROM ({tickets}) AS tickets
WHERE "TKT-Status" = ANY ({closed}::text[])
GROUP BY "TKT-Category"
ORDER BY n DESC, label
