-- One row per ticket that was resolved in the range and whose resolution time is known, in days.
SELECT ticket_id, team, severity, assignee, "TKT-Actual Resolution Date" AS resolved_at, days
FROM ({durations}) AS durations
WHERE days IS NOT NULL AND {resolved_in_range} AND {of_team}
