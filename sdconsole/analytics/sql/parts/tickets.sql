-- Tickets created in the range, of the teams asked for.
SELECT * FROM {schema}.tickets WHERE {created_in_range} AND {of_team}
