SELECT to_char(date_trunc('week', "TKT-Created Time"), 'IYYY-"W"IW') AS label, date_trunc('week', "TKT-Created Time") AS time,
       assignee AS series, count(*) AS value, count(*) AS n
FROM ({assigned}) AS assigned
WHERE assignee IN (SELECT assignee FROM ({assigned}) AS counted GROUP BY assignee ORDER BY count(*) DESC, assignee LIMIT 5)
GROUP BY date_trunc('week', "TKT-Created Time"), assignee
ORDER BY time, series
