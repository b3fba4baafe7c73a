SELECT extract(epoch FROM now() AT TIME ZONE {timezone} - max("TKT-Created Time"))::float8 / 3600 AS value,
       count("TKT-Created Time") AS n,
       max("TKT-Created Time") AS newest_ticket
FROM ({tickets}) AS tickets
