SELECT 100.0 * count(*) FILTER (WHERE hours IS NOT NULL) / nullif(count(*), 0) AS value, count(*) AS n FROM ({patterned}) AS patterned
