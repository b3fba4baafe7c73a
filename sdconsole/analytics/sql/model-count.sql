SELECT count(*) AS value, count(*) AS n FROM ({felt}) AS felt HAVING count(*) > 0
