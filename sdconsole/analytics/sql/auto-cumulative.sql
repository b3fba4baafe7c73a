SELECT sum(hours * hourly_rate) AS value, count(hours) AS n FROM ({patterned}) AS patterned
