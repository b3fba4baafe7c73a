SELECT to_char(day, 'YYYY-MM-DD') AS label, day AS time, series, 100.0 * hits / n AS value, n
FROM (
    SELECT date_trunc('day', created_time) AS day, count(*) AS n, count(*) FILTER (WHERE positive) AS positive, count(*) FILTER (WHERE negative) AS negative
    FROM ({seen}) AS seen
    GROUP BY date_trunc('day', created_time)
) AS days
CROSS JOIN LATERAL (VALUES ('positive', positive), ('negative', negative)) AS share (series, hits)
ORDER BY time, series
