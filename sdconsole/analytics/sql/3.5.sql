SELECT bucket.label,
       100.0 * count(booked.ticket_id) / nullif(sum(count(booked.ticket_id)) OVER (), 0) AS value,
       count(booked.ticket_id) AS n,
       sum(count(booked.ticket_id)) OVER () AS total
FROM (VALUES ('1', 1, 1), ('2', 2, 2), ('3', 3, 3), ('4+', 4, 2147483647)) AS bucket (label, least, greatest)
LEFT JOIN ({ticket_agents}) AS booked ON booked.agents BETWEEN bucket.least AND bucket.greatest
GROUP BY bucket.label, bucket.least
ORDER BY bucket.least
