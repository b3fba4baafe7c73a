SELECT team AS label,
       avg(days) AS value,
       count(*) AS n,
       percentile_cont(0.5) WITHIN GROUP (ORDER BY days) AS median_days,
       percentile_cont(0.9) WITHIN GROUP (ORDER BY days) AS p90_days
FROM ({resolved}) AS resolved
GROUP BY team
HAVING count(*) >= {team_minimum}
ORDER BY value, label
