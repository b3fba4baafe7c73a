SELECT coalesce("TKT-Team", '(no team)') AS label,
       count(*) FILTER (WHERE "TKT-Status" <> ALL ({closed}::text[])) AS value,
       count(*) AS n,
       sum(count(*)) OVER ()::bigint AS total,
       count(*) FILTER (WHERE btrim("TKT-Assigned To User") = 'PendingAssignment') AS unassigned,
       100.0 * count(*) FILTER (WHERE btrim("TKT-Assigned To User") = 'PendingAssignment') / count(*)
           AS unassigned_percent,
       count(*) FILTER (
           WHERE "TKT-Status" = ANY ({closed}::text[])
             AND "TKT-Actual Resolution Date"
                 >= (SELECT max("TKT-Created Time") FROM {schema}.tickets) - interval '30 days'
       ) AS closed_in_the_last_30_days
FROM ({tickets}) AS tickets
GROUP BY "TKT-Team"
ORDER BY value DESC, label
