-- Comments written in the range, by authors of the teams asked for.
SELECT * FROM {schema}.comments WHERE {commented_in_range} AND {of_author_team}
