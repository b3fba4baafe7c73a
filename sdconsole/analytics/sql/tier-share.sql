SELECT 100.0 * count(*) FILTER (WHERE tier = {of_class}) / nullif(count(*), 0) AS value, count(*) AS n
FROM ({tiered}) AS tiered
