SELECT assignee AS label, 100.0 * count(*) FILTER (WHERE "TKT-SLA Met" = 'yes') / count(*) AS value, count(*) AS n
FROM ({assigned}) AS assigned
WHERE "TKT-SLA Met" IN ('yes', 'no')
GROUP BY assignee
HAVING count(*) >= {team_minimum}
ORDER BY value DESC, label
