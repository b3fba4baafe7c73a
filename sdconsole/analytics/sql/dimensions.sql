SELECT label, value, n, median_score
FROM (
    SELECT avg(professionalism_score) AS professionalism,
           avg(clarity_score) AS clarity,
           avg(empathy_score) AS empathy,
           avg(actionability_score) AS actionability,
           count(*) AS analyses,
           percentile_cont(0.5) WITHIN GROUP (ORDER BY professionalism_score) AS median_professionalism,
           percentile_cont(0.5) WITHIN GROUP (ORDER BY clarity_score) AS median_clarity,
           percentile_cont(0.5) WITHIN GROUP (ORDER BY empathy_score) AS median_empathy,
           percentile_cont(0.5) WITHIN GROUP (ORDER BY actionability_score) AS median_actionability
    FROM ({usable_analyses}) AS usable
) AS measured
CROSS JOIN LATERAL (
    VALUES (1, 'professionalism', professionalism, analyses, median_professionalism),
           (2, 'clarity', clarity, analyses, median_clarity),
           (3, 'empathy', empathy, analyses, median_empathy),
           (4, 'actionability', actionability, analyses, median_actionability)
) AS share (position, label, value, n, median_score)
WHERE n > 0
ORDER BY position
