-- Comments of the range that the customer can see and that a person wrote.
SELECT comment_id, ticket_id, user_name, created_time, comment_text,
       comment_text ~* '\m(thank|thanks|great|excellent|happy|appreciate|wonderful|fantastic|perfect|amazing)\M' AS positive,
       comment_text ~* '\m(issue|problem|unhappy|frustrated|angry|disappointed|urgent|critical|error|fail|failed)\M' AS negative
FROM ({comments}) AS comments
WHERE visible_to_customer = 'Yes' AND coalesce(user_name, '') <> ALL ({automation}::text[])
