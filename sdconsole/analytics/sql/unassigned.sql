SELECT count(*) FILTER (WHERE btrim("TKT-Assigned To User") = 'PendingAssignment') AS value,
       count(*) AS n,
       100.0 * count(*) FILTER (WHERE btrim("TKT-Assigned To User") = 'PendingAssignment') / nullif(count(*), 0)
           AS unassigned_percent
FROM ({tickets}) AS tickets
HAVING count(*) > 0
