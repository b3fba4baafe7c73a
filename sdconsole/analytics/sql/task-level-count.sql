SELECT count(*) FILTER (WHERE {task_level} = {of_class}) AS value, count(*) AS n FROM ({tickets}) AS tickets
HAVING count(*) > 0
