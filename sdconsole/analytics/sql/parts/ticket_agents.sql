-- One row per ticket that has time booked on it, with the number of people who booked.
SELECT ticket."TKT-Ticket ID" AS ticket_id, greatest(count(DISTINCT sheet."TS-User Username"), 1) AS agents
FROM {schema}.timesheets AS sheet
JOIN {schema}.tickets AS ticket ON ticket."TKT-Ticket ID" = sheet."TS-Crm ID"
WHERE sheet."TS-Crm ID" <> 0
GROUP BY ticket."TKT-Ticket ID"
