SELECT label, 100.0 * hits / nullif(n, 0) AS value, n, hits AS analysed, graded
FROM (
    SELECT count(*) AS comments,
           count(quality.comment_id) AS analysed,
           count(*) FILTER (WHERE eligible) AS eligible,
           count(quality.comment_id) FILTER (WHERE eligible) AS eligible_analysed
    FROM (
        SELECT comment_id,
               comment_type = 'comments'
                   AND coalesce(user_name, '') <> ALL ({automation}::text[])
                   AND comment_text <> '' AS eligible
        FROM ({comments}) AS comments
    ) AS comment
    LEFT JOIN {schema}.comment_quality AS quality ON quality.comment_id = comment.comment_id
) AS counted
CROSS JOIN LATERAL (
    VALUES (1, 'human comments with a text', eligible_analysed, eligible, true),
           (2, 'all comments', analysed, comments, false)
) AS share (position, label, hits, n, graded)
ORDER BY position
