SELECT kind AS label, 100.0 * count(*) / sum(count(*)) OVER () AS value, count(*) AS n, sum(count(*)) OVER ()::bigint AS total
FROM (SELECT {networking_kind} AS kind FROM ({incidents}) AS incidents WHERE class = {of_class}) AS incidents
GROUP BY kind
ORDER BY value DESC, label
