SELECT coalesce("TKT-Severity", '(no severity)') AS label,
       100.0 * count(*) / sum(count(*)) OVER () AS value,
       count(*) AS n,
       sum(count(*)) OVER ()::bigint AS total
FROM ({tickets}) AS tickets
GROUP BY "TKT-Severity"
ORDER BY n DESC, label
