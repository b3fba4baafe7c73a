SELECT assignee AS label, 100.0 * sum(words.negative) / sum(words.comments) AS value, sum(words.comments)::bigint AS n
FROM ({assigned}) AS assigned
JOIN (
    SELECT ticket_id, count(*) AS comments, count(*) FILTER (WHERE negative) AS negative FROM ({seen}) AS seen GROUP BY ticket_id
) AS words ON words.ticket_id = assigned."TKT-Ticket ID"
GROUP BY assignee
HAVING sum(words.comments) >= {team_minimum}
ORDER BY value DESC, label
LIMIT 20
