SELECT 100.0 * count(*) FILTER (WHERE positive) / nullif(count(*), 0) AS value, count(*) AS n FROM ({seen}) AS seen
