-- Each pattern before and after its automation, as far as it is automated.
SELECT pattern AS label,
       count(*) AS value,
       count(*) AS n,
       sum(count(*)) OVER ()::bigint AS total,
       max(automated_since) AS automated_since,
       count(*) FILTER (WHERE NOT after) AS tickets_before,
       CASE WHEN max(automated_since) IS NOT NULL THEN count(*) FILTER (WHERE after) END AS tickets_after,
       CASE WHEN max(automated_since) IS NULL THEN 'not automated' ELSE 'automated' END AS status
FROM ({automated}) AS automated
GROUP BY pattern
ORDER BY value DESC, label
