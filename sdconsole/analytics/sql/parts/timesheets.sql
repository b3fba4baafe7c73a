-- Time booked for days in the range. A booking has no team.
SELECT * FROM {schema}.timesheets WHERE {booked_in_range}
