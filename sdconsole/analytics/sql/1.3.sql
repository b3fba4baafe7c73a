SELECT 100.0 * count(*) FILTER (WHERE visible <= 1) / nullif(count(*), 0) AS value,
       count(*) AS n,
       100.0 * count(*) FILTER (WHERE visible = 0) / nullif(count(*), 0) AS no_comment_percent,
       100.0 * count(*) FILTER (WHERE visible = 1) / nullif(count(*), 0) AS one_comment_percent
FROM ({closed_visible}) AS closed
