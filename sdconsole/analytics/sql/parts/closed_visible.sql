-- One row per closed ticket with the number of comments its customer can see; automation accounts do not count.
SELECT ticket."TKT-Ticket ID" AS ticket_id,
       coalesce(ticket."TKT-Team", '(no team)') AS team,
       coalesce(seen.comments, 0) AS visible
FROM ({tickets}) AS ticket
LEFT JOIN (
    SELECT ticket_id, count(*) AS comments
    FROM {schema}.comments
    WHERE visible_to_customer = 'Yes' AND coalesce(user_name, '') <> ALL ({automation}::text[])
    GROUP BY ticket_id
) AS seen ON seen.ticket_id = ticket."TKT-Ticket ID"
WHERE ticket."TKT-Status" = ANY ({closed}::text[])
