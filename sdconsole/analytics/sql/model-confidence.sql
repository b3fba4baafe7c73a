SELECT 100 * avg(confidence) AS value, count(*) AS n, 100 * percentile_cont(0.5) WITHIN GROUP (ORDER BY confidence) AS median_confidence
FROM ({felt}) AS felt
