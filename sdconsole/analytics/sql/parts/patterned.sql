-- Tickets of the range with the pattern that automation could take care of, and what one such ticket costs.
SELECT tickets."TKT-Created Time" AS created, tickets.pattern, rate.hours, rate.hourly_rate
FROM (SELECT "TKT-Created Time", {automation_pattern} AS pattern FROM ({tickets}) AS tickets) AS tickets
LEFT JOIN (VALUES {rates}) AS rate (pattern, hours, hourly_rate) ON rate.pattern = tickets.pattern
