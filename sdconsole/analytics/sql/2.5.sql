SELECT quality_tier AS label,
       100.0 * count(*) / sum(count(*)) OVER () AS value,
       count(*) AS n,
       sum(count(*)) OVER () AS total,
       100.0 * sum(count(*) FILTER (WHERE quality_tier IN ('excellent', 'good'))) OVER ()
           / sum(count(*)) OVER () AS headline,
       sum(count(*) FILTER (WHERE failed)) OVER () AS failed_analyses,
       sum(count(*) FILTER (WHERE uniform AND NOT failed)) OVER () AS uniform_scores,
       sum(count(*) FILTER (WHERE contradicts)) OVER () AS tier_contradictions
FROM ({analyses}) AS analyses
WHERE quality_tier IS NOT NULL
GROUP BY quality_tier
ORDER BY array_position(ARRAY['excellent', 'good', 'acceptable', 'poor'], quality_tier), quality_tier
