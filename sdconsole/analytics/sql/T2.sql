SELECT assignee AS label,
       avg(days) AS value,
       count(*) AS n,
       percentile_cont(0.5) WITHIN GROUP (ORDER BY days) AS median_days,
       percentile_cont(0.9) WITHIN GROUP (ORDER BY days) AS p90_days
FROM ({resolved}) AS resolved
WHERE assignee NOT IN ('', 'PendingAssignment')
GROUP BY assignee
HAVING count(*) >= 10
ORDER BY value, label
