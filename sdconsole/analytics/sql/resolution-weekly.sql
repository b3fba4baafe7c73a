SELECT to_char(date_trunc('week', resolved_at), 'IYYY-"W"IW') AS label,
       date_trunc('week', resolved_at) AS time,
       percentile_cont(0.5) WITHIN GROUP (ORDER BY days) AS value,
       count(*) AS n,
       avg(days) AS mean_days
FROM ({resolved}) AS resolved
GROUP BY date_trunc('week', resolved_at)
ORDER BY time
