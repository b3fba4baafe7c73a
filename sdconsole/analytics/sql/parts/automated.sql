-- Tickets of a pattern with the week they fall in and whether that was before or after its automation; what no rate
-- table calls automated is before.
SELECT created,
       pattern,
       hours,
       hourly_rate,
       automated_since,
       coalesce(created >= automated_since, false) AS after
FROM ({patterned}) AS patterned
WHERE pattern IS NOT NULL AND created IS NOT NULL
