SELECT 7.0 * count(*) FILTER (WHERE NOT after)
           / nullif(max(created) FILTER (WHERE NOT after)::date - min(created) FILTER (WHERE NOT after)::date + 1, 0) AS value,
       count(*) FILTER (WHERE NOT after) AS n
FROM ({automated}) AS automated
