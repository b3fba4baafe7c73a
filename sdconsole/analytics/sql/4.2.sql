WITH closed AS (
    SELECT count(*) AS tickets,
           count(*) FILTER (
               WHERE "TKT-Ticket ID" IN (SELECT "TS-Crm ID" FROM {schema}.timesheets)
           ) AS with_time,
           count(*) FILTER (
               WHERE nullif(nullif(btrim("TKT-Root Cause Category"), ''), '--None--') IS NOT NULL
           ) AS with_cause
    FROM ({tickets}) AS tickets
    WHERE "TKT-Status" = ANY ({closed}::text[])
), written AS (
    SELECT count(*) AS comments,
           count(*) FILTER (WHERE analysed) AS analysed,
           count(*) FILTER (WHERE eligible) AS eligible,
           count(*) FILTER (WHERE eligible AND analysed) AS eligible_analysed
    FROM (
        SELECT quality.comment_id IS NOT NULL AS analysed,
               comment.comment_type = 'comments'
                   AND coalesce(comment.user_name, '') <> ALL ({automation}::text[])
                   AND comment.comment_text <> '' AS eligible
        FROM ({comments}) AS comment
        LEFT JOIN {schema}.comment_quality AS quality USING (comment_id)
    ) AS judged
)
SELECT label, 100.0 * hits / nullif(n, 0) AS value, n, graded
FROM closed
CROSS JOIN written
CROSS JOIN LATERAL (
    VALUES (1, 'closed tickets with time booked', with_time, tickets, true),
           (2, 'closed tickets with a known root cause', with_cause, tickets, true),
           (3, 'human comments that were analysed', eligible_analysed, eligible, true),
           (4, 'all comments that were analysed', analysed, comments, false)
) AS share (position, label, hits, n, graded)
ORDER BY position
