SELECT avg(actionability_score) AS value,
       count(actionability_score) AS n,
       percentile_cont(0.5) WITHIN GROUP (ORDER BY actionability_score) AS median_score,
       percentile_cont(0.9) WITHIN GROUP (ORDER BY actionability_score) AS p90_score
FROM ({usable_analyses}) AS usable
