SELECT pattern AS label, count(*) AS value, count(*) AS n, sum(count(*)) OVER ()::bigint AS total
FROM ({patterned}) AS patterned
WHERE pattern IS NOT NULL
GROUP BY pattern
ORDER BY value DESC, label
LIMIT 5
