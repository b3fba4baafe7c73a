SELECT count(*) FILTER (WHERE pattern = 'motion and sensors') AS value, count(*) AS n FROM ({patterned}) AS patterned
HAVING count(*) > 0
