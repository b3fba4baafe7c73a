-- One ordered list of patterns for every panel: a title belongs to the first that it meets.
SELECT pattern AS label,
       count(*) AS value,
       count(*) AS n,
       sum(count(*)) OVER ()::bigint AS total,
       count(DISTINCT created::date) AS days_affected,
       count(*)::float8 / nullif(count(DISTINCT created::date), 0) AS average_a_day
FROM ({alerts}) AS alerts
GROUP BY pattern
ORDER BY value DESC, label
