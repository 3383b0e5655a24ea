-- A row is one event of one content in a content's trail, newest first. What holdouts drew is in their ledgers.
SELECT id, message, at, kind, content, contacts, rep, deal, stage, note, agent, probability, rules, source, signal, led_to, withheld, '' AS rule, false AS earns
FROM resolved(as_of = {as_of:DateTime64(3)})
WHERE content = {content:String} AND kind != 'assigned'
ORDER BY at DESC, id DESC, content DESC
LIMIT {limit:UInt64}
