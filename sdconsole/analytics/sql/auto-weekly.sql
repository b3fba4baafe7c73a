SELECT to_char(date_trunc('week', created), 'IYYY-"W"IW') AS label, date_trunc('week', created) AS time, count(*) AS value, count(*) AS n
FROM ({patterned}) AS patterned
WHERE pattern IS NOT NULL AND created IS NOT NULL
GROUP BY date_trunc('week', created)
ORDER BY time
