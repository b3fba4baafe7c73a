-- One row per analysed comment. Failed: the analyser says so. Uniform: four equal scores, which it gives when it did
-- not look. Contradicts: the tier is not the one of the score.
SELECT comment_id,
       ticket_id,
       user_name,
       created_time,
       team,
       cleaned_text,
       quality_score,
       quality_tier,
       professionalism_score,
       clarity_score,
       empathy_score,
       actionability_score,
       starts_with(lower(btrim(coalesce(intent_summary, ''))), 'analysis failed')
           OR strpos(lower(coalesce(red_flags::text, '')), 'analysis failed') > 0 AS failed,
       coalesce(
           professionalism_score = clarity_score
               AND clarity_score = empathy_score
               AND empathy_score = actionability_score,
           false
       ) AS uniform,
       quality_tier IS DISTINCT FROM CASE
           WHEN quality_score >= 4.5 THEN 'excellent'
           WHEN quality_score >= 3.5 THEN 'good'
           WHEN quality_score >= 2.5 THEN 'acceptable'
           WHEN quality_score < 2.5 THEN 'poor'
       END AS contradicts
FROM {schema}.comment_quality
