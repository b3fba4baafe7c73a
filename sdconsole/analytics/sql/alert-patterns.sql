-- One ordered list of patterns for every panel: a title belongs to the first that it meets.
WITH alerts AS (
    SELECT {alert_pattern} AS pattern, "TKT-Created Time"::date AS day
    FROM ({tickets}) AS tickets
    WHERE "TKT-Category" = 'Alert' OR "TKT-Severity" = 'Alert'
)
SELECT pattern AS label,
       count(*) AS value,
       count(*) AS n,
       sum(count(*)) OVER ()::bigint AS total,
       count(DISTINCT day) AS days_affected,
       count(*)::float8 / nullif(count(DISTINCT day), 0) AS average_a_day
FROM alerts
GROUP BY pattern
ORDER BY value DESC, label
