SELECT assignee AS label, coalesce("TKT-Category", '(no category)') AS series, count(*) AS value, count(*) AS n
FROM ({assigned}) AS assigned
WHERE assignee IN (SELECT assignee FROM ({assigned}) AS counted GROUP BY assignee ORDER BY count(*) DESC, assignee LIMIT 15)
GROUP BY label, series
ORDER BY label, value DESC, series
