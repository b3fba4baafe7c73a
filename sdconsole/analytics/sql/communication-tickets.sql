SELECT count(*) FILTER (WHERE {task_level} = 'communication') AS value, count(*) AS n FROM ({tickets}) AS tickets HAVING count(*) > 0
