-- The only row is how much is known.
SELECT events, (SELECT count() FROM bad_entries FINAL WHERE replayed_at = toDateTime64(0, 3) AND raw != '[expired]'), contents, deals, contacts, shares, clicks, last_received, crm_contacts, baseline_kept
FROM totals(as_of = {as_of:DateTime64(3)})
