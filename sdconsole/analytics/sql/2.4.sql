SELECT team AS label,
       avg(comments) AS value,
       count(*) AS n,
       percentile_cont(0.5) WITHIN GROUP (ORDER BY comments) AS median_comments,
       percentile_cont(0.9) WITHIN GROUP (ORDER BY comments) AS p90_comments
FROM (
    SELECT coalesce(ticket."TKT-Team", '(no team)') AS team, count(comment.ticket_id) AS comments
    FROM ({tickets}) AS ticket
    LEFT JOIN {schema}.comments AS comment ON comment.ticket_id = ticket."TKT-Ticket ID"
    WHERE ticket."TKT-Status" = ANY ({closed}::text[]) AND ticket."TKT-Category" = 'Support Tickets'
    GROUP BY ticket."TKT-Ticket ID", ticket."TKT-Team"
) AS closed
GROUP BY team
HAVING count(*) >= {team_minimum}
ORDER BY value, label
