SELECT label, series, avg(quality_score) AS value, count(quality_score) AS n
FROM ({usable_analyses}) AS usable
CROSS JOIN LATERAL (VALUES ('person', user_name), ('team', coalesce(team, '(no team)'))) AS about (series, label)
WHERE label IS NOT NULL AND quality_score IS NOT NULL
GROUP BY series, label
HAVING count(*) >= 20
ORDER BY series, value, label
