SELECT to_char(day, 'YYYY-MM-DD') AS label,
       day AS time,
       tickets AS value,
       tickets AS n,
       sum(tickets) OVER ()::bigint AS total,
       avg(tickets) OVER () AS headline
FROM ({days_created}) AS days
ORDER BY day
