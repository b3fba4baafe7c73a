-- What automation has saved: its tickets since the day it took over.
SELECT sum(hours * hourly_rate) FILTER (WHERE after) AS value, count(hours) FILTER (WHERE after) AS n
FROM ({automated}) AS automated
