-- A row is one row of the view kept_counts.
INSERT INTO layout_kept_counts (layout, rep, kind, facts_kept, by_machines, with_word, first_at, last_at)
SELECT {snapshot:String}, rep, kind, facts_kept, by_machines, with_word, first_at, last_at
FROM kept_counts(as_of = {as_of:DateTime64(3)}) AS v
