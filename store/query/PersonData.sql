-- A row is one event (its newest revision) that is a contact's, or that names them in text, oldest first.
SELECT
    id, revision, kind, at, received_at, source, content, share, message, contact, account, rep, deal, stage, agent, probability, rules, signal,
    rule_set, signs, network, origin, device, led_to, withheld, note, attrs, revised_at
FROM facts(as_of = {as_of:DateTime64(3)})
WHERE contact = {contact:String} OR position(note, {contact:String}) > 0 OR match(note, {pattern:String})
    OR arrayExists(v -> position(v, {contact:String}) > 0 OR match(v, {pattern:String}), mapValues(attrs))
ORDER BY at, id
