SELECT count(*) FILTER (WHERE class = 'Cloud') AS value, count(*) AS n FROM ({incidents}) AS incidents HAVING count(*) > 0
