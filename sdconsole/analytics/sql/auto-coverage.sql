SELECT 100.0 * count(pattern) / nullif(count(*), 0) AS value, count(*) AS n FROM ({patterned}) AS patterned
