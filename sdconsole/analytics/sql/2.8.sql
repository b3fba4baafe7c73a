SELECT team AS label,
       100.0 * count(*) FILTER (WHERE visible >= 1) / count(*) AS value,
       count(*) AS n
FROM ({closed_visible}) AS closed
GROUP BY team
HAVING count(*) >= {team_minimum}
ORDER BY value DESC, label
