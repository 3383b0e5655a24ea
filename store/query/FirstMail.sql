-- The only row is when the first mail went to and fro. What another tool's export says of mail is no mail that was read.
SELECT min(at) FROM facts(as_of = {as_of:DateTime64(3)})
WHERE kind IN ('sent', 'replied') AND source != 'csv' AND at > toDateTime64(0, 3, 'UTC') AND at <= {to:DateTime64(3)}
