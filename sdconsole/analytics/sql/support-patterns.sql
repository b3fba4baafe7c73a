SELECT coalesce(pattern, {automation_pattern_otherwise}) AS label,
       count(*) AS value,
       count(*) AS n,
       sum(count(*)) OVER ()::bigint AS total
FROM ({support}) AS support
GROUP BY pattern
ORDER BY value DESC, label
