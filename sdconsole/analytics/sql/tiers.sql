SELECT tier AS label, 100.0 * count(*) / sum(count(*)) OVER () AS value, count(*) AS n, sum(count(*)) OVER ()::bigint AS total
FROM ({tiered}) AS tiered
GROUP BY tier
ORDER BY label
