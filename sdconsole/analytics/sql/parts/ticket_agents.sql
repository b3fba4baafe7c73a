-- One row per ticket that has time booked on it, with the number of people who booked.
SELECT ticket_id, greatest(count(username), 1) AS agents
FROM (
    SELECT DISTINCT ticket."TKT-Ticket ID" AS ticket_id, sheet."TS-User Username" AS username
    FROM {schema}.timesheets AS sheet
    JOIN ({tickets}) AS ticket ON ticket."TKT-Ticket ID" = sheet."TS-Crm ID"
    WHERE sheet."TS-Crm ID" <> 0
) AS booked
GROUP BY ticket_id
