SELECT avg(professionalism_score) AS value,
       count(professionalism_score) AS n,
       percentile_cont(0.5) WITHIN GROUP (ORDER BY professionalism_score) AS median_score,
       percentile_cont(0.9) WITHIN GROUP (ORDER BY professionalism_score) AS p90_score
FROM ({usable_analyses}) AS usable
