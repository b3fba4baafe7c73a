SELECT 100.0 * met / nullif(met + missed, 0) AS value, met + missed AS n, met, missed, unknown
FROM (
    SELECT count(*) FILTER (WHERE "TKT-SLA Met" = 'yes') AS met,
           count(*) FILTER (WHERE "TKT-SLA Met" = 'no') AS missed,
           count(*) FILTER (WHERE "TKT-SLA Met" IS NULL OR "TKT-SLA Met" NOT IN ('yes', 'no')) AS unknown
    FROM ({tickets}) AS tickets
) AS counted
