SELECT label, 100.0 * hits / nullif(n, 0) AS value, n
FROM (SELECT count(*) AS n, count(*) FILTER (WHERE positive) AS positive, count(*) FILTER (WHERE negative) AS negative FROM ({seen}) AS seen) AS counted
CROSS JOIN LATERAL (VALUES (1, 'positive', positive), (2, 'negative', negative)) AS share (position, label, hits)
WHERE n > 0
ORDER BY position
