SELECT count(*) AS value, count(*) AS n FROM ({seen}) AS seen HAVING count(*) > 0
