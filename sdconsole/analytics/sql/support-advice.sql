-- What to automate first: by the share of support tickets that a pattern makes.
SELECT label, value, n, total, tickets_a_week, CASE
           WHEN value >= 10 THEN 'automate first'
           WHEN value >= 3 THEN 'automate next'
           ELSE 'watch'
       END AS advice
FROM (
    SELECT pattern AS label,
           100.0 * count(*) / sum(count(*)) OVER () AS value,
           count(*) AS n,
           sum(count(*)) OVER ()::bigint AS total,
           count(*) * 7.0 / (SELECT days FROM ({range_days}) AS covered) AS tickets_a_week
    FROM ({support}) AS support
    GROUP BY pattern
) AS shares
WHERE label IS NOT NULL
ORDER BY value DESC, label
