SELECT level AS label, 100.0 * count(*) / sum(count(*)) OVER () AS value, count(*) AS n, sum(count(*)) OVER ()::bigint AS total
FROM (SELECT {task_level} AS level FROM ({tickets}) AS tickets) AS leveled
GROUP BY level
ORDER BY value DESC, label
