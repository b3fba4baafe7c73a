SELECT bucket::text AS label,
       100.0 * count(usable.comment_id) / nullif(sum(count(usable.comment_id)) OVER (), 0) AS value,
       count(usable.comment_id) AS n,
       sum(count(usable.comment_id)) OVER ()::bigint AS total
FROM generate_series(1, 5) AS bucket
LEFT JOIN ({usable_analyses}) AS usable ON floor(usable.quality_score) = bucket
GROUP BY bucket
ORDER BY bucket
