-- The only row is how much is known.
SELECT
    count() AS events,
    (SELECT count() FROM bad_entries FINAL WHERE replayed_at = toDateTime64(0, 3)) AS bad,
    uniqExactIf(content, kind = 'content')                         AS contents,
    uniqExactIf(deal, kind IN ('deal', 'staged') AND deal != '')   AS deals,
    uniqExactIf(contact, contact != '')                            AS contacts,
    uniqExactIf(share, share != '')                                AS shares,
    countIf(kind = 'clicked')                                      AS clicks,
    max(received_at)                                               AS last_received,
    uniqExactIf(contact, kind = 'contact')                         AS crm_contacts,
    countIf(kind = 'measured') > 0                                 AS baseline_kept
FROM facts(as_of = {as_of:DateTime64(3)})
