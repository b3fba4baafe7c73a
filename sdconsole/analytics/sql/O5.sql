SELECT coalesce(severity, '(no severity)') AS label,
       avg(days) AS value,
       count(*) AS n,
       sum(count(*)) OVER ()::bigint AS total,
       percentile_cont(0.5) WITHIN GROUP (ORDER BY days) AS median_days,
       percentile_cont(0.9) WITHIN GROUP (ORDER BY days) AS p90_days
FROM ({resolved}) AS resolved
GROUP BY severity
ORDER BY label
