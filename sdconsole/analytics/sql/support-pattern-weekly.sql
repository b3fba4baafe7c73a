-- Support tickets of one pattern by week; weeks without any lie between the first and the last week of all of them.
SELECT to_char(week, 'IYYY-"W"IW') AS label,
       week AS time,
       count(support.created) AS value,
       count(support.created) AS n,
       sum(count(support.created)) OVER ()::bigint AS total
FROM (
    SELECT generate_series(date_trunc('week', min(created)), max(created), interval '1 week') AS week
    FROM ({support}) AS support
) AS weeks
LEFT JOIN ({support}) AS support ON date_trunc('week', support.created) = week AND support.pattern = {of_class}
GROUP BY week
ORDER BY week
