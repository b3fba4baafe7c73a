SELECT tier AS label, coalesce("TKT-Category", '(no category)') AS series, count(*) AS value, count(*) AS n
FROM ({tiered}) AS tiered
GROUP BY label, series
ORDER BY label, value DESC, series
