SELECT user_name AS label,
       avg(quality_score) AS value,
       count(quality_score) AS n,
       percentile_cont(0.5) WITHIN GROUP (ORDER BY quality_score) AS median_score
FROM ({usable_analyses}) AS usable
WHERE user_name IS NOT NULL
GROUP BY user_name
HAVING count(quality_score) >= 5
ORDER BY value, label
