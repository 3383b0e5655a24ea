-- A row is one row of the view content_counts.
INSERT INTO layout_content_counts (layout, content, counted_at, reps, sent, reached, opened, opens, clicked, clicks, nameless, replied, machine, deals, won, lost, last_sent)
SELECT {snapshot:String}, content, counted_at, reps, sent, reached, opened, opens, clicked, clicks, nameless, replied, machine, deals, won, lost, last_sent
FROM content_counts(as_of = {as_of:DateTime64(3)}) AS v
