SELECT count(*) FILTER (WHERE class = {of_class}) AS value, count(*) AS n FROM ({incidents}) AS incidents
HAVING count(*) > 0
