-- Teams too small for a panel are shown together, so that the shares add up to 100.
SELECT label,
       100.0 * sum(tickets) / sum(sum(tickets)) OVER () AS value,
       sum(tickets) AS n,
       sum(sum(tickets)) OVER () AS total,
       NOT together AS graded
FROM (
    SELECT CASE WHEN count(*) < {team_minimum} THEN '(smaller teams)' ELSE coalesce("TKT-Team", '(no team)') END AS label,
           count(*) < {team_minimum} AS together,
           count(*) AS tickets
    FROM ({tickets}) AS tickets
    WHERE "TKT-Status" = ANY ({closed}::text[])
    GROUP BY "TKT-Team"
) AS teams
GROUP BY label, together
ORDER BY together, n DESC, label
