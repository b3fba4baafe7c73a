-- Tickets of the range that meet a pattern that automation could take care of, or not (pattern NULL), with what one
-- such ticket costs and since when the pattern is automated, as far as the rates say so.
SELECT tickets.*, rate.hours, rate.hourly_rate, rate.automated_since
FROM (
    SELECT "TKT-Created Time" AS created, nullif({automation_pattern}, {automation_pattern_otherwise}) AS pattern
    FROM ({tickets}) AS tickets
) AS tickets
LEFT JOIN (VALUES {rates}) AS rate (pattern, hours, hourly_rate, automated_since) ON rate.pattern = tickets.pattern
