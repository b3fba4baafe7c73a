SELECT coalesce(title, '(no title)') AS label,
       count(*) AS value,
       count(*) AS n,
       count(DISTINCT created::date) AS days_affected,
       count(*)::float8 * 365 / (SELECT days FROM ({range_days}) AS covered) AS projected_a_year
FROM ({alerts}) AS alerts
GROUP BY title
ORDER BY value DESC, label
LIMIT 10
