SELECT to_char(date_trunc('week', created), 'IYYY-"W"IW') AS label, date_trunc('week', created) AS time, pattern AS series, count(*) AS value, count(*) AS n
FROM ({support}) AS support
WHERE pattern IN (
    SELECT pattern FROM ({support}) AS counted WHERE pattern <> 'no pattern' GROUP BY pattern ORDER BY count(*) DESC, pattern LIMIT 5
)
GROUP BY date_trunc('week', created), pattern
ORDER BY time, series
