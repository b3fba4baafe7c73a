-- Five minutes for each closed ticket whose customer was never written to.
SELECT count(*) FILTER (WHERE visible = 0) * 5.0 / 60 * {hourly_rate} AS value, count(*) AS n
FROM ({closed_visible}) AS closed_visible
HAVING count(*) > 0
