SELECT assignee AS label, count(*) AS value, count(*) AS n, sum(count(*)) OVER ()::bigint AS total
FROM ({assigned}) AS assigned
GROUP BY assignee
ORDER BY value DESC, label
LIMIT 15
