SELECT to_char(date_trunc('month', "TKT-Created Time"), 'YYYY-MM') AS label, date_trunc('month', "TKT-Created Time") AS time,
       tier AS series, count(*) AS value, count(*) AS n
FROM ({tiered}) AS tiered
WHERE "TKT-Created Time" IS NOT NULL
GROUP BY date_trunc('month', "TKT-Created Time"), tier
ORDER BY time, series
