SELECT avg(quality_score) FILTER (WHERE usable) AS value,
       count(quality_score) FILTER (WHERE usable) AS n,
       percentile_cont(0.5) WITHIN GROUP (ORDER BY quality_score) FILTER (WHERE usable) AS median_score,
       percentile_cont(0.9) WITHIN GROUP (ORDER BY quality_score) FILTER (WHERE usable) AS p90_score,
       avg(professionalism_score) FILTER (WHERE usable) AS professionalism,
       avg(clarity_score) FILTER (WHERE usable) AS clarity,
       avg(empathy_score) FILTER (WHERE usable) AS empathy,
       avg(actionability_score) FILTER (WHERE usable) AS actionability,
       count(*) FILTER (WHERE failed) AS failed_analyses,
       count(*) FILTER (WHERE uniform AND NOT failed) AS uniform_scores,
       count(*) FILTER (WHERE usable AND contradicts) AS tier_contradictions
FROM (SELECT *, NOT failed AND NOT uniform AS usable FROM ({analyses}) AS analyses) AS judged
