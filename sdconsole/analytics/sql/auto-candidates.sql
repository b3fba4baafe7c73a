SELECT count(pattern) AS value, count(*) AS n FROM ({patterned}) AS patterned HAVING count(*) > 0
