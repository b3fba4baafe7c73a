WITH weeks AS (
    SELECT pattern, date_trunc('week', created) AS week, count(*) AS tickets FROM ({support}) AS support GROUP BY pattern, week
), ended AS (
    SELECT max(week) - interval '1 week' AS week FROM weeks
), pairs AS (
    SELECT weeks.pattern,
           sum(tickets) FILTER (WHERE weeks.week = ended.week) AS last_week,
           sum(tickets) FILTER (WHERE weeks.week = ended.week - interval '1 week') AS week_before
    FROM weeks CROSS JOIN ended
    GROUP BY weeks.pattern
)
SELECT pattern AS label,
       100.0 * (coalesce(last_week, 0) - week_before) / nullif(week_before, 0) AS value,
       coalesce(last_week, 0) + coalesce(week_before, 0) AS n,
       coalesce(last_week, 0) AS last_week,
       coalesce(week_before, 0) AS week_before
FROM pairs
ORDER BY value DESC NULLS LAST, label
