SELECT to_char(date_trunc('week', created), 'IYYY-"W"IW') AS label, date_trunc('week', created) AS time, class AS series, count(*) AS value, count(*) AS n
FROM ({incidents}) AS incidents
GROUP BY date_trunc('week', created), class
ORDER BY time, series
