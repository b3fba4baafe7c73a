SELECT to_char(month, 'YYYY-MM') AS label,
       month AS time,
       mean_score AS value,
       n,
       sum(n) OVER ()::bigint AS total,
       sum(sum_score) OVER () / sum(n) OVER () AS headline,
       median_score
FROM (
    SELECT date_trunc('month', written_at) AS month,
           avg(quality_score) AS mean_score,
           sum(quality_score) AS sum_score,
           count(*) AS n,
           percentile_cont(0.5) WITHIN GROUP (ORDER BY quality_score) AS median_score
    FROM ({written_analyses}) AS written
    GROUP BY month
) AS months
ORDER BY month
