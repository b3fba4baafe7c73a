SELECT sum(hours * hourly_rate) * 365 / (SELECT days FROM ({range_days}) AS covered) AS value, count(hours) AS n
FROM ({patterned}) AS patterned
