-- Support tickets of the range with the automation pattern that their title meets.
SELECT "TKT-Created Time" AS created, {automation_pattern} AS pattern
FROM ({tickets}) AS tickets
WHERE "TKT-Category" = 'Support Tickets'
