SELECT comment_id::text AS label, 1 AS value, 1 AS n, ticket_id, user_name, created_time, left(comment_text, 100) AS excerpt
FROM ({seen}) AS seen
WHERE positive AND NOT negative
ORDER BY created_time DESC, comment_id
LIMIT 50
