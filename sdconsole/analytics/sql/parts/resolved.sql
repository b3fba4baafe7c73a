-- One row per closed ticket whose resolution time is known and not negative, in days.
SELECT "TKT-Ticket ID" AS ticket_id,
       coalesce("TKT-Team", '(no team)') AS team,
       "TKT-Severity" AS severity,
       "TKT-Actual Resolution Date" AS resolved_at,
       extract(epoch FROM "TKT-Actual Resolution Date" - "TKT-Created Time")::float8 / 86400 AS days
FROM {schema}.tickets
WHERE "TKT-Status" = ANY ({closed}::text[])
  AND "TKT-Actual Resolution Date" >= "TKT-Created Time"
