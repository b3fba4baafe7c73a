SELECT coalesce("TKT-Severity", '(no severity)') AS label,
       100.0 * count(*) FILTER (WHERE "TKT-SLA Met" = 'yes') / count(*) AS value,
       count(*) AS n,
       sum(count(*)) OVER ()::bigint AS total
FROM ({tickets}) AS tickets
WHERE "TKT-SLA Met" IN ('yes', 'no')
GROUP BY "TKT-Severity"
ORDER BY label
