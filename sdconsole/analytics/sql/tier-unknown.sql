SELECT count(*) - (SELECT count(*) FROM ({tiered}) AS tiered) AS value, count(*) AS n FROM ({tickets}) AS tickets
HAVING count(*) > 0
