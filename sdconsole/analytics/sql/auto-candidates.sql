SELECT count(*) FILTER (WHERE hours IS NOT NULL) AS value, count(*) AS n FROM ({patterned}) AS patterned HAVING count(*) > 0
