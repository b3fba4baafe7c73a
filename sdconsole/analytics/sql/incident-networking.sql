SELECT count(*) FILTER (WHERE class = 'Networking') AS value, count(*) AS n FROM ({incidents}) AS incidents HAVING count(*) > 0
