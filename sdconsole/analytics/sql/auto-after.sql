-- The pace counts from the first day that the rates name, whether or not that pattern has tickets, or from the first
-- ticket of the range where that is later. Without such a day there is no pace.
WITH begun AS (
    SELECT min(automated_since) AS day FROM (VALUES {rates}) AS rate (pattern, hours, hourly_rate, automated_since)
), covered AS (
    SELECT max("TKT-Created Time")::date - greatest(min("TKT-Created Time")::date, begun.day) + 1 AS days
    FROM ({tickets}) AS tickets
    CROSS JOIN begun
    WHERE begun.day IS NOT NULL
    GROUP BY begun.day
)
SELECT 7.0 * count(*) FILTER (WHERE after) / nullif(greatest((SELECT days FROM covered), 0), 0) AS value,
       count(*) FILTER (WHERE after) AS n
FROM ({automated}) AS automated
