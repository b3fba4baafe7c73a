SELECT bucket.label,
       count(measured.age_days) AS value,
       count(measured.age_days) AS n,
       sum(count(measured.age_days)) OVER ()::bigint AS total
FROM (
    VALUES (1, 'under 1 day', 0, 1),
           (2, '1 to 7 days', 1, 7),
           (3, '1 to 4 weeks', 7, 28),
           (4, '1 to 3 months', 28, 91),
           (5, '3 to 6 months', 91, 182),
           (6, 'over 6 months', 182, 'Infinity'::float8)
) AS bucket (position, label, least, beyond)
LEFT JOIN ({open_ages}) AS measured ON measured.age_days >= bucket.least AND measured.age_days < bucket.beyond
GROUP BY bucket.position, bucket.label
ORDER BY bucket.position
