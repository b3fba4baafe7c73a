-- Alerts of the range by field, not by words, with the first pattern that their title meets.
SELECT "TKT-Created Time" AS created, "TKT-Title" AS title, {alert_pattern} AS pattern
FROM ({tickets}) AS tickets
WHERE "TKT-Category" = 'Alert' OR "TKT-Severity" = 'Alert'
