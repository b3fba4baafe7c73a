SELECT 100.0 * count(*) FILTER (WHERE sentiment = 'positive') / nullif(count(*), 0) AS value, count(*) AS n FROM ({felt}) AS felt
