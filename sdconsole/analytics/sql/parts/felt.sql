-- What the model said about comments of the range, by authors of the teams asked for.
SELECT sentiment, confidence FROM {schema}.comment_sentiment WHERE {felt_in_range} AND {of_author_team}
