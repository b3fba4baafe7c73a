WITH resolved AS (
    SELECT date_trunc('day', "TKT-Actual Resolution Date") AS day
    FROM {schema}.tickets
    WHERE "TKT-Status" = ANY ({closed}::text[]) AND {resolved_in_range} AND {of_team}
), days AS (
    SELECT generate_series(min(day), max(day), interval '1 day') AS day FROM resolved
)
SELECT to_char(days.day, 'YYYY-MM-DD') AS label,
       days.day AS time,
       count(resolved.day) AS value,
       count(resolved.day) AS n,
       sum(count(resolved.day)) OVER ()::bigint AS total,
       avg(count(resolved.day)) OVER () AS headline
FROM days
LEFT JOIN resolved ON resolved.day = days.day
GROUP BY days.day
ORDER BY days.day
