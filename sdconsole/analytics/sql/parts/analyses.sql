-- Analyses of comments written in the range, by authors of the teams asked for.
SELECT * FROM ({judged}) AS judged WHERE {analysed_in_range} AND {of_author_team}
