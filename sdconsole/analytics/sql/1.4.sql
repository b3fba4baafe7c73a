SELECT 100.0 * count(*) FILTER (WHERE visible >= 1) / nullif(count(*), 0) AS value,
       count(*) AS n,
       count(*) FILTER (WHERE visible = 0) AS tickets_without
FROM ({closed_visible}) AS closed
