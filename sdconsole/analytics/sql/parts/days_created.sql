-- One row per day from the first to the last that a ticket was created on, those without any included.
SELECT day, count(tickets."TKT-Ticket ID") AS tickets
FROM (
    SELECT generate_series(
               date_trunc('day', min("TKT-Created Time")), max("TKT-Created Time"), interval '1 day'
           ) AS day
    FROM ({tickets}) AS tickets
) AS days
LEFT JOIN ({tickets}) AS tickets ON date_trunc('day', tickets."TKT-Created Time") = day
GROUP BY day
