SELECT pattern AS label,
       sum(hours * hourly_rate) * 365 / (SELECT days FROM ({range_days}) AS covered) AS value,
       count(*) AS n,
       max(hours) AS hours_for_a_ticket,
       max(hourly_rate) AS hourly_rate,
       sum(hours) AS hours_in_the_range
FROM ({patterned}) AS patterned
WHERE pattern IS NOT NULL
GROUP BY pattern
ORDER BY value DESC NULLS LAST, label
