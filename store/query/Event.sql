-- A row is one event (its ID in hex) with all that is stored of it, in its newest revision.
SELECT
    id, revision, kind, at, received_at, source, content, share, message, contact, account, rep, deal, stage, agent, probability, rules, signal,
    rule_set, signs, network, origin, device, led_to, withheld, note, attrs, revised_at
FROM facts(as_of = {as_of:DateTime64(3)})
WHERE id = toFixedString(unhex({id:String}), 16)
