-- One row per ticket with its resolution time in days: closed, both times known, not negative; NULL otherwise.
SELECT "TKT-Ticket ID" AS ticket_id,
       coalesce("TKT-Team", '(no team)') AS team,
       "TKT-Severity" AS severity,
       btrim("TKT-Assigned To User") AS assignee,
       "TKT-Status" AS status,
       "TKT-Team",
       "TKT-Created Time",
       "TKT-Actual Resolution Date",
       CASE
           WHEN "TKT-Status" = ANY ({closed}::text[]) AND "TKT-Actual Resolution Date" >= "TKT-Created Time"
           THEN extract(epoch FROM "TKT-Actual Resolution Date" - "TKT-Created Time")::float8 / 86400
       END AS days
FROM {schema}.tickets
