SELECT assignee AS label,
       100.0 * count(*) FILTER (WHERE "TKT-SLA Met" = 'yes') / nullif(count(*) FILTER (WHERE "TKT-SLA Met" IN ('yes', 'no')), 0) AS value,
       count(*) AS n,
       percentile_cont(0.5) WITHIN GROUP (ORDER BY times.days) AS median_days,
       avg(times.days) AS mean_days
FROM ({assigned}) AS assigned
LEFT JOIN (SELECT ticket_id, days FROM ({durations}) AS durations) AS times ON times.ticket_id = assigned."TKT-Ticket ID"
WHERE "TKT-Status" = ANY ({closed}::text[])
GROUP BY assignee
HAVING count(*) >= 20
ORDER BY n DESC, label
LIMIT 20
