-- Alerts of one pattern by day; days without any lie between the first and the last day of all alerts.
SELECT to_char(day, 'YYYY-MM-DD') AS label,
       day AS time,
       count(alerts.created) AS value,
       count(alerts.created) AS n,
       sum(count(alerts.created)) OVER ()::bigint AS total
FROM (
    SELECT generate_series(date_trunc('day', min(created)), max(created), interval '1 day') AS day
    FROM ({alerts}) AS alerts
) AS days
LEFT JOIN ({alerts}) AS alerts ON date_trunc('day', alerts.created) = day AND alerts.pattern = {of_class}
GROUP BY day
ORDER BY day
