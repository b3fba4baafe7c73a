SELECT coalesce("TKT-Status", '(no status)') AS label,
       100.0 * count(*) / sum(count(*)) OVER () AS value,
       count(*) AS n,
       sum(count(*)) OVER ()::bigint AS total
FROM ({tickets}) AS tickets
GROUP BY "TKT-Status"
ORDER BY n DESC, label
