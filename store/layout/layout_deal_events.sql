-- A row is one row of the view deal_events.
INSERT INTO layout_deal_events (layout, deal, at, kind, level, content, mail, people, once)
SELECT {snapshot:String}, deal, at, kind, level, content, mail, people, once
FROM deal_events(as_of = {as_of:DateTime64(3)}) AS v
