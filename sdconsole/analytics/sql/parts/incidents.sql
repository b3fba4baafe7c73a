-- Tickets of the range that are no alerts, with the class that their words put them into.
SELECT "TKT-Ticket ID" AS ticket_id, "TKT-Created Time" AS created, "TKT-Title" AS title, "TKT-Status" AS status,
       "TKT-Title", "TKT-Description",
       {incident_class} AS class
FROM ({tickets}) AS tickets
WHERE coalesce("TKT-Category", '') <> 'Alert' AND coalesce("TKT-Severity", '') <> 'Alert'
