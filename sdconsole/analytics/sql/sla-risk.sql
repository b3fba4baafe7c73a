SELECT bucket.label,
       count(measured.age_days) AS value,
       count(measured.age_days) AS n,
       sum(count(measured.age_days)) OVER ()::bigint AS total
FROM (
    VALUES (1, 'under 3 days', 0, 3),
           (2, '3 to 7 days', 3, 7),
           (3, 'over 7 days', 7, 'Infinity'::float8)
) AS bucket (position, label, least, beyond)
LEFT JOIN ({open_ages}) AS measured ON measured.age_days >= bucket.least AND measured.age_days < bucket.beyond
GROUP BY bucket.position, bucket.label
ORDER BY bucket.position
