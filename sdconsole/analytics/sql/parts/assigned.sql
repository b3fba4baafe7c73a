-- Tickets of the range that somebody is assigned to, with the name as people read it.
SELECT *, btrim("TKT-Assigned To User") AS assignee
FROM ({tickets}) AS tickets
WHERE btrim("TKT-Assigned To User") NOT IN ('', 'PendingAssignment')
