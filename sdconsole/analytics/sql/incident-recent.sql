SELECT ticket_id::text AS label, 1 AS value, 1 AS n, created, status, left(title, 100) AS title
FROM ({incidents}) AS incidents
WHERE class = {of_class}
ORDER BY created DESC NULLS LAST, ticket_id
LIMIT 20
