-- A row is one row of the view rep_counts.
INSERT INTO layout_rep_counts (layout, rep, counted_at, sent, contents, reached, clicked, replied)
SELECT {snapshot:String}, rep, counted_at, sent, contents, reached, clicked, replied
FROM rep_counts(as_of = {as_of:DateTime64(3)}) AS v
