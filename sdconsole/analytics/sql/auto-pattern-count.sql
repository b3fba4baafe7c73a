SELECT count(*) FILTER (WHERE pattern = {of_class}) AS value, count(*) AS n FROM ({patterned}) AS patterned
HAVING count(*) > 0
