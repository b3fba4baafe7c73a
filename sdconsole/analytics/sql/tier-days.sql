SELECT tiered.tier AS label, avg(times.days) AS value, count(times.days) AS n,
       percentile_cont(0.5) WITHIN GROUP (ORDER BY times.days) AS median_days
FROM ({tiered}) AS tiered
JOIN (SELECT ticket_id, days FROM ({durations}) AS durations) AS times ON times.ticket_id = tiered."TKT-Ticket ID"
WHERE times.days IS NOT NULL
GROUP BY tiered.tier
ORDER BY label
