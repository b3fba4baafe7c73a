WITH people AS (
    SELECT assignee,
           count(*) AS n,
           100.0 * count(*) FILTER (WHERE "TKT-SLA Met" = 'yes') / nullif(count(*) FILTER (WHERE "TKT-SLA Met" IN ('yes', 'no')), 0) AS sla_percent,
           24 * avg(times.days) AS mean_hours,
           sum(words.positive) AS positive,
           sum(words.negative) AS negative,
           sum(words.comments) AS comments
    FROM ({assigned}) AS assigned
    LEFT JOIN (SELECT ticket_id, days FROM ({durations}) AS durations) AS times ON times.ticket_id = assigned."TKT-Ticket ID"
    LEFT JOIN (
        SELECT ticket_id, count(*) AS comments, count(*) FILTER (WHERE positive) AS positive, count(*) FILTER (WHERE negative) AS negative
        FROM ({seen}) AS seen
        GROUP BY ticket_id
    ) AS words ON words.ticket_id = assigned."TKT-Ticket ID"
    WHERE "TKT-Status" = ANY ({closed}::text[])
    GROUP BY assignee
    HAVING count(*) >= 20
)
SELECT assignee AS label,
       0.3 * coalesce(sla_percent, 0) + 0.3 * (100 - least(coalesce(mean_hours, 100), 100))
           + 0.4 * coalesce(100.0 * (positive - negative) / nullif(comments, 0), 0) AS value,
       n,
       sla_percent,
       mean_hours,
       comments
FROM people
ORDER BY value DESC, label
LIMIT 20
