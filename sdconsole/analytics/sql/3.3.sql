-- A month of creation counts once it ended 60 days before the newest ticket: until then its slow tickets are missing.
-- The headline is the median of the newest month of resolution.
WITH months AS (
    SELECT 'by month of resolution' AS series,
           date_trunc('month', resolved_at) AS month,
           count(*) AS n,
           percentile_cont(0.5) WITHIN GROUP (ORDER BY days) AS median_days,
           avg(days) AS mean_days,
           percentile_cont(0.9) WITHIN GROUP (ORDER BY days) AS p90_days,
           NULL::numeric AS open_percent
    FROM ({resolved}) AS resolved
    GROUP BY month
    UNION ALL
    SELECT 'by month of creation',
           date_trunc('month', "TKT-Created Time") AS month,
           count(days),
           percentile_cont(0.5) WITHIN GROUP (ORDER BY days),
           avg(days),
           percentile_cont(0.9) WITHIN GROUP (ORDER BY days),
           100.0 * count(*) FILTER (WHERE status <> ALL ({closed}::text[])) / count(*)
    FROM ({durations}) AS durations
    WHERE {created_in_range} AND {of_team}
    GROUP BY month
    HAVING date_trunc('month', "TKT-Created Time") + interval '1 month 60 days'
        <= (SELECT least(max("TKT-Created Time"), now() AT TIME ZONE {timezone}) FROM {schema}.tickets)
)
SELECT to_char(month, 'YYYY-MM') AS label,
       month AS time,
       series,
       median_days AS value,
       n,
       coalesce(sum(n) FILTER (WHERE series = 'by month of resolution') OVER (), 0)::bigint AS total,
       (
           SELECT median_days FROM months WHERE series = 'by month of resolution' ORDER BY month DESC LIMIT 1
       ) AS headline,
       mean_days,
       p90_days,
       open_percent
FROM months
ORDER BY series DESC, month
