-- The first and the last week of the range may be cut, so they are left out and not compared with.
WITH support AS MATERIALIZED (
    SELECT pattern, date_trunc('week', created) AS week FROM ({support}) AS support WHERE created IS NOT NULL
), weeks AS (
    SELECT generate_series(min(week) + interval '1 week', max(week) - interval '1 week', interval '1 week') AS week
    FROM support
), patterns AS (
    SELECT pattern FROM support WHERE pattern IS NOT NULL GROUP BY pattern ORDER BY count(*) DESC, pattern LIMIT 5
), counted AS (
    SELECT patterns.pattern, weeks.week, count(support.pattern) AS tickets
    FROM weeks
    CROSS JOIN patterns
    LEFT JOIN support ON support.week = weeks.week AND support.pattern = patterns.pattern
    GROUP BY patterns.pattern, weeks.week
), compared AS (
    SELECT pattern, week, tickets, lag(tickets) OVER (PARTITION BY pattern ORDER BY week) AS week_before FROM counted
)
SELECT to_char(week, 'IYYY-"W"IW') AS label,
       week AS time,
       pattern AS series,
       100.0 * (tickets - week_before) / nullif(week_before, 0) AS value,
       tickets + week_before AS n,
       tickets,
       week_before
FROM compared
WHERE week_before IS NOT NULL
ORDER BY series, time
