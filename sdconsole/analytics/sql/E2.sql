SELECT count(*) FILTER (WHERE "TKT-Status" <> ALL ({closed}::text[])) AS value,
       count(*) AS n,
       100.0 * count(*) FILTER (WHERE "TKT-Status" <> ALL ({closed}::text[])) / nullif(count(*), 0) AS open_percent
FROM ({tickets}) AS tickets
HAVING count(*) > 0
