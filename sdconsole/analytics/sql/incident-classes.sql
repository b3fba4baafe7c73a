SELECT class AS label, 100.0 * count(*) / sum(count(*)) OVER () AS value, count(*) AS n, sum(count(*)) OVER ()::bigint AS total
FROM ({incidents}) AS incidents
GROUP BY class
ORDER BY value DESC, label
