-- Two shares in one row: of the comments that can be analysed, and of all.
SELECT 100.0 * count(quality.comment_id) FILTER (WHERE eligible) / nullif(count(*) FILTER (WHERE eligible), 0) AS value,
       count(*) FILTER (WHERE eligible) AS n,
       100.0 * count(quality.comment_id) / nullif(count(*), 0) AS percent_of_all,
       count(*) AS comments
FROM (
    SELECT comment_id,
           comment_type = 'comments'
               AND coalesce(user_name, '') <> ALL ({automation}::text[])
               AND comment_text <> '' AS eligible
    FROM ({comments}) AS comments
) AS comment
LEFT JOIN {schema}.comment_quality AS quality ON quality.comment_id = comment.comment_id
