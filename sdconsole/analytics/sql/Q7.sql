SELECT comment_id::text AS label,
       quality_score AS value,
       1 AS n,
       count(*) OVER () AS total,
       ticket_id,
       user_name,
       left(cleaned_text, 100) AS excerpt
FROM ({analyses}) AS analyses
WHERE NOT failed AND quality_score < 2.0
ORDER BY quality_score, comment_id
LIMIT 100
