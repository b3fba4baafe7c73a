SELECT 100.0 * count(*) FILTER (WHERE agents > 1) / nullif(count(*), 0) AS value,
       count(*) AS n,
       count(*) FILTER (WHERE agents > 1) AS reassigned
FROM ({ticket_agents}) AS booked
