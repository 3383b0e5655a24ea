-- A row is one event of one content in a contact's trail, newest first; with several contacts the event may
-- be another's.
SELECT id, message, at, kind, content, contacts, rep, deal, stage, note, agent, probability, rules, source, signal, led_to, withheld, '' AS rule, false AS earns
FROM resolved(as_of = {as_of:DateTime64(3)})
WHERE has(contacts, {contact:String})
ORDER BY at DESC, id DESC, content DESC
LIMIT {limit:UInt64}
