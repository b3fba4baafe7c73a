-- The headline is the last month but one, or the only one: the newest month may be incomplete.
WITH months AS (
    SELECT date_trunc('month', "TKT-Created Time") AS month, count(*) AS tickets
    FROM ({tickets}) AS tickets
    WHERE "TKT-Created Time" IS NOT NULL
    GROUP BY month
)
SELECT to_char(month, 'YYYY-MM') AS label,
       month AS time,
       tickets AS value,
       tickets AS n,
       sum(tickets) OVER () AS total,
       (
           SELECT tickets
           FROM (SELECT month, tickets FROM months ORDER BY month DESC LIMIT 2) AS newest
           ORDER BY month
           LIMIT 1
       ) AS headline
FROM months
ORDER BY month
