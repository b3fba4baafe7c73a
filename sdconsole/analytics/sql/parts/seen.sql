-- Comments of the range that the customer can see and that a person wrote.
SELECT comment_id, ticket_id, user_name, created_time, comment_text,
       {praise} = 'praise' AS positive,
       {complaint} = 'complaint' AS negative
FROM ({comments}) AS comments
WHERE visible_to_customer = 'Yes' AND coalesce(user_name, '') <> ALL ({automation}::text[])
