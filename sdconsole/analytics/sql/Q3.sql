SELECT avg(empathy_score) AS value,
       count(empathy_score) AS n,
       percentile_cont(0.5) WITHIN GROUP (ORDER BY empathy_score) AS median_score,
       percentile_cont(0.9) WITHIN GROUP (ORDER BY empathy_score) AS p90_score
FROM ({usable_analyses}) AS usable
