SELECT avg(clarity_score) AS value,
       count(clarity_score) AS n,
       percentile_cont(0.5) WITHIN GROUP (ORDER BY clarity_score) AS median_score,
       percentile_cont(0.9) WITHIN GROUP (ORDER BY clarity_score) AS p90_score
FROM ({usable_analyses}) AS usable
