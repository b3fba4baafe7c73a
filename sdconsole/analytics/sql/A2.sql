SELECT label, value, n
FROM (
    SELECT percentile_cont(ARRAY[0.5, 0.9, 0.95, 0.99]) WITHIN GROUP (ORDER BY days) AS quantiles, count(*) AS n
    FROM ({resolved}) AS resolved
) AS measured
CROSS JOIN LATERAL (
    VALUES (1, 'p50', quantiles[1]), (2, 'p90', quantiles[2]), (3, 'p95', quantiles[3]), (4, 'p99', quantiles[4])
) AS share (position, label, value)
WHERE n > 0
ORDER BY position
