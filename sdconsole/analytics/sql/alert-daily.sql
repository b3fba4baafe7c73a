SELECT to_char(date_trunc('day', created), 'YYYY-MM-DD') AS label, date_trunc('day', created) AS time, pattern AS series, count(*) AS value, count(*) AS n
FROM ({alerts}) AS alerts
WHERE pattern IN (SELECT pattern FROM ({alerts}) AS counted GROUP BY pattern ORDER BY count(*) DESC, pattern LIMIT 5)
GROUP BY date_trunc('day', created), pattern
ORDER BY time, series
