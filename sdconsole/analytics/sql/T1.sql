SELECT assignee AS label, count(*) AS value, count(*) AS n, sum(count(*)) OVER ()::bigint AS total
FROM ({assigned}) AS assigned
WHERE "TKT-Status" = ANY ({closed}::text[])
GROUP BY assignee
ORDER BY value DESC, label
LIMIT 20
