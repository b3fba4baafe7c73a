SELECT avg(days) AS value,
       count(*) AS n,
       percentile_cont(0.5) WITHIN GROUP (ORDER BY days) AS median_days,
       percentile_cont(0.9) WITHIN GROUP (ORDER BY days) AS p90_days,
       100.0 * count(*) FILTER (WHERE urgent AND days < 4.0 / 24) / nullif(count(*) FILTER (WHERE urgent), 0)
           AS p1_p2_within_4_hours_percent,
       100.0 * count(*) FILTER (WHERE normal AND days < 3) / nullif(count(*) FILTER (WHERE normal), 0)
           AS p3_p4_within_3_days_percent,
       (
           SELECT count(*)
           FROM ({durations}) AS durations
           WHERE status = ANY ({closed}::text[]) AND days IS NULL AND {created_in_range} AND {of_team}
       ) AS closed_without_a_valid_time
FROM (
    SELECT days,
           severity IN ('Priority 1', 'Priority 2') AS urgent,
           severity IN ('Priority 3', 'Priority 4') AS normal
    FROM ({resolved}) AS resolved
) AS graded
