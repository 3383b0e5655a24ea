-- The only row is how many deals were won in a period. Those of which nobody says when are in none.
SELECT count() FROM deals(as_of = {as_of:DateTime64(3)})
WHERE status = 'won' AND closed_at > toDateTime64(0, 3, 'UTC') AND closed_at >= {from:DateTime64(3)} AND closed_at <= {to:DateTime64(3)}
