-- Support tickets of the range with the automation pattern that their title meets; NULL for those that meet none.
SELECT "TKT-Created Time" AS created, nullif({automation_pattern}, {automation_pattern_otherwise}) AS pattern
FROM ({tickets}) AS tickets
WHERE "TKT-Category" = 'Support Tickets'
