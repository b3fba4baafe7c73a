-- Details are computed for the ten people only: counting everybody's tickets would take longer than a panel may.
WITH people AS (
    SELECT "TS-User Full Name" AS name,
           sum("TS-Hours") AS hours,
           count(*) AS entries,
           sum(count(*)) OVER ()::bigint AS total
    FROM ({timesheets}) AS sheets
    WHERE "TS-Hours" IS NOT NULL
    GROUP BY "TS-User Full Name"
    ORDER BY hours DESC, name
    LIMIT 10
)
SELECT coalesce(people.name, '(no name)') AS label,
       people.hours AS value,
       people.entries AS n,
       people.total,
       detail.tickets,
       detail.ticket_hours / nullif(detail.tickets, 0) AS hours_per_ticket,
       100.0 * coalesce(detail.admin_hours, 0) / nullif(people.hours, 0) AS admin_percent
FROM people
CROSS JOIN LATERAL (
    SELECT count(DISTINCT "TS-Crm ID") FILTER (WHERE "TS-Crm ID" <> 0) AS tickets,
           sum("TS-Hours") FILTER (WHERE "TS-Crm ID" <> 0) AS ticket_hours,
           sum("TS-Hours") FILTER (WHERE "TS-Crm ID" = 0) AS admin_hours
    FROM ({timesheets}) AS sheets
    WHERE "TS-User Full Name" = people.name OR ("TS-User Full Name" IS NULL AND people.name IS NULL)
) AS detail
ORDER BY value DESC, label
