SELECT coalesce("TS-User Full Name", '(no name)') AS label,
       sum("TS-Hours") AS value,
       count(*) AS n,
       sum(count(*)) OVER () AS total,
       count(DISTINCT "TS-Crm ID") FILTER (WHERE "TS-Crm ID" <> 0) AS tickets,
       sum("TS-Hours") FILTER (WHERE "TS-Crm ID" <> 0)
           / nullif(count(DISTINCT "TS-Crm ID") FILTER (WHERE "TS-Crm ID" <> 0), 0) AS hours_per_ticket,
       100.0 * coalesce(sum("TS-Hours") FILTER (WHERE "TS-Crm ID" = 0), 0) / nullif(sum("TS-Hours"), 0) AS admin_percent
FROM {schema}.timesheets
WHERE "TS-Hours" IS NOT NULL
GROUP BY "TS-User Full Name"
ORDER BY value DESC, label
LIMIT 10
