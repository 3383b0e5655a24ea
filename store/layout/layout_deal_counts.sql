-- A row is one row of the view deal_counts.
INSERT INTO layout_deal_counts (layout, deal, counted_at, touches, last_touch, last_mail)
SELECT {snapshot:String}, deal, counted_at, touches, last_touch, last_mail
FROM deal_counts(as_of = {as_of:DateTime64(3)}) AS v
