SELECT bucket.label,
       count(measured.days) AS value,
       count(measured.days) AS n,
       sum(count(measured.days)) OVER ()::bigint AS total
FROM (
    VALUES (1, 'under 1 hour', 0, 1.0 / 24),
           (2, '1 to 24 hours', 1.0 / 24, 1),
           (3, '1 to 3 days', 1, 3),
           (4, '3 to 7 days', 3, 7),
           (5, 'over 7 days', 7, 'Infinity'::float8)
) AS bucket (position, label, least, beyond)
LEFT JOIN ({resolved}) AS measured ON measured.days >= bucket.least AND measured.days < bucket.beyond
GROUP BY bucket.position, bucket.label
ORDER BY bucket.position
