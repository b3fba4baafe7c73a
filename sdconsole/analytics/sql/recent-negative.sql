SELECT comment_id::text AS label, 1 AS value, 1 AS n, ticket_id, user_name, created_time, left(comment_text, 100) AS excerpt
FROM ({seen}) AS seen
WHERE negative AND NOT positive
ORDER BY created_time DESC, comment_id
LIMIT 50
