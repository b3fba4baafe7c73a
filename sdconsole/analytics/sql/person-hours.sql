SELECT assignee AS label, 24 * avg(days) AS value, count(*) AS n, 24 * percentile_cont(0.5) WITHIN GROUP (ORDER BY days) AS median_hours
FROM ({resolved}) AS resolved
WHERE assignee NOT IN ('', 'PendingAssignment')
GROUP BY assignee
HAVING count(*) >= {team_minimum}
ORDER BY value, label
