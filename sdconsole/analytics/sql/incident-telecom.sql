SELECT count(*) FILTER (WHERE class = 'Telecommunications') AS value, count(*) AS n FROM ({incidents}) AS incidents HAVING count(*) > 0
