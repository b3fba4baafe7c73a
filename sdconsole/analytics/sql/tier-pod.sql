SELECT tier AS label, coalesce(nullif(btrim(assigned_pod), ''), '(no pod)') AS series, count(*) AS value, count(*) AS n
FROM ({tiered}) AS tiered
GROUP BY label, series
ORDER BY label, value DESC, series
