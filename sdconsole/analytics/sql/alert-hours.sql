SELECT to_char(created, 'ID') AS label, to_char(created, 'HH24') AS series, count(*) AS value, count(*) AS n
FROM ({alerts}) AS alerts
GROUP BY label, series
ORDER BY label, series
