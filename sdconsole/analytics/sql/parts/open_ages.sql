-- Open tickets with their age in days at the time of the newest ticket: an export is older than the day it is read on.
SELECT coalesce("TKT-Team", '(no team)') AS team,
       extract(epoch FROM (SELECT max("TKT-Created Time") FROM {schema}.tickets) - "TKT-Created Time")::float8 / 86400
           AS age_days
FROM ({tickets}) AS tickets
WHERE "TKT-Status" <> ALL ({closed}::text[]) AND "TKT-Created Time" IS NOT NULL
