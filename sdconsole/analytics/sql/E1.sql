SELECT count(*) AS value, count(*) AS n FROM ({tickets}) AS tickets
