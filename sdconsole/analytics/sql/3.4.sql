SELECT bucket.label,
       100.0 * count(closed.ticket_id) / nullif(sum(count(closed.ticket_id)) OVER (), 0) AS value,
       count(closed.ticket_id) AS n,
       sum(count(closed.ticket_id)) OVER () AS total
FROM (VALUES ('0', 0, 0), ('1', 1, 1), ('2-3', 2, 3), ('4+', 4, 2147483647)) AS bucket (label, least, greatest)
LEFT JOIN ({closed_visible}) AS closed ON closed.visible BETWEEN bucket.least AND bucket.greatest
GROUP BY bucket.label, bucket.least
ORDER BY bucket.least
