-- What is unassigned is no gap in the data and is shown beside it.
SELECT label, 100.0 * missing / nullif(n, 0) AS value, n, missing, graded
FROM (
    SELECT count(*) AS tickets,
           count(*) FILTER (WHERE "TKT-Status" = ANY ({closed}::text[])) AS closed,
           count(*) FILTER (WHERE "TKT-Created Time" IS NULL) AS without_creation,
           count(*) FILTER (
               WHERE "TKT-Status" = ANY ({closed}::text[]) AND "TKT-Actual Resolution Date" IS NULL
           ) AS without_resolution,
           count(*) FILTER (WHERE btrim("TKT-Assigned To User") = 'PendingAssignment') AS unassigned,
           count(*) FILTER (WHERE "TKT-Severity" IS NULL) AS without_severity
    FROM ({tickets}) AS tickets
) AS counted
CROSS JOIN LATERAL (
    VALUES (1, 'creation time missing', without_creation, tickets, true),
           (2, 'resolution time of closed tickets missing', without_resolution, closed, true),
           (3, 'severity missing', without_severity, tickets, true),
           (4, 'unassigned', unassigned, tickets, false)
) AS share (position, label, missing, n, graded)
ORDER BY position
