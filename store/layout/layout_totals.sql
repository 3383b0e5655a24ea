-- The only row is that of the view totals.
INSERT INTO layout_totals (layout, events, contents, deals, contacts, shares, clicks, last_received, crm_contacts, baseline_kept)
SELECT {snapshot:String}, events, contents, deals, contacts, shares, clicks, last_received, crm_contacts, baseline_kept
FROM totals(as_of = {as_of:DateTime64(3)}) AS v
