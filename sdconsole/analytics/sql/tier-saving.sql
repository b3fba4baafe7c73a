SELECT sum(cost) - count(*) * (100 * 65.0 + 200 * 30.0 + 300 * 7.5) / 102.5 AS value, count(*) AS n
FROM ({tiered}) AS tiered
HAVING count(*) > 0
