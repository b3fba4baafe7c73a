-- The average of seven days is shown from the seventh day on.
SELECT to_char(day, 'YYYY-MM-DD') AS label,
       day AS time,
       tickets AS value,
       tickets AS n,
       sum(tickets) OVER ()::bigint AS total,
       CASE WHEN count(*) OVER week = 7 THEN avg(tickets) OVER week END AS average_of_7_days,
       avg(tickets) OVER () AS headline
FROM ({days_created}) AS days
WINDOW week AS (ORDER BY day ROWS BETWEEN 6 PRECEDING AND CURRENT ROW)
ORDER BY day
