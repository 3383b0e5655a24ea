-- The only row is how much is known.
CREATE OR REPLACE VIEW totals AS
SELECT
    count() AS events,
    uniqExactIf(content, kind = 'content')                                  AS contents,
    uniqExactIf(xxHash64(deal), kind IN ('deal', 'staged') AND deal != '')  AS deals,
    uniqExactIf(xxHash64(contact), contact != '')                           AS contacts,
    uniqExactIf(xxHash64(share), share != '')                               AS shares,
    countIf(kind = 'clicked')                                               AS clicks,
    max(received_at)                                                        AS last_received,
    uniqExactIf(contact, kind = 'contact')                                  AS crm_contacts,
    countIf(kind = 'measured') > 0                                          AS baseline_kept
FROM facts(as_of = {as_of:DateTime64(3)})
