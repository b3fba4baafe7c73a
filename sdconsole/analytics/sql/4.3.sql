WITH tickets AS (
    SELECT count(*) AS tickets,
           count(*) FILTER (WHERE "TKT-Status" = ANY ({closed}::text[])) AS closed,
           min("TKT-Created Time") AS first_created,
           max("TKT-Created Time") AS last_created
    FROM ({tickets}) AS tickets
)
SELECT label, total AS value, total AS n, first_created, last_created
FROM tickets
CROSS JOIN LATERAL (
    VALUES (1, 'tickets', tickets),
           (2, 'comments', (SELECT count(*) FROM ({comments}) AS comments)),
           (3, 'timesheet rows', (SELECT count(*) FROM ({timesheets}) AS timesheets)),
           (4, 'closed tickets', closed)
) AS share (position, label, total)
ORDER BY position
