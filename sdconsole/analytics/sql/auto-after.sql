SELECT 7.0 * count(*) FILTER (WHERE after)
           / nullif(greatest((SELECT max("TKT-Created Time")::date FROM ({tickets}) AS tickets) - min(automated_since) + 1, 0), 0)
           AS value,
       count(*) FILTER (WHERE after) AS n
FROM ({automated}) AS automated
HAVING count(automated_since) > 0
