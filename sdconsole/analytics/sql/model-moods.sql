SELECT sentiment AS label, 100.0 * count(*) / sum(count(*)) OVER () AS value, count(*) AS n, sum(count(*)) OVER ()::bigint AS total
FROM ({felt}) AS felt
GROUP BY sentiment
ORDER BY value DESC, label
