-- A row is one row of the view send_counts.
INSERT INTO layout_send_counts (layout, what, key, counted_at, stale, observable, observed)
SELECT {snapshot:String}, what, key, counted_at, stale, observable, observed
FROM send_counts(as_of = {as_of:DateTime64(3)}) AS v
