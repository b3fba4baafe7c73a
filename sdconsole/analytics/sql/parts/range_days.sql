-- How many days the tickets of the range cover.
SELECT greatest(max("TKT-Created Time")::date - min("TKT-Created Time")::date + 1, 1) AS days FROM ({tickets}) AS tickets
