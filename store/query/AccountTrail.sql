-- A row is one event of one content in an account's trail, newest first: of its contacts, of its deals, or
-- of the company as such.
SELECT id, message, at, kind, content, contacts, rep, deal, stage, note, agent, probability, rules, source, signal, led_to, withheld, '' AS rule, false AS earns
FROM resolved(as_of = {as_of:DateTime64(3)})
WHERE kind != 'assigned' AND (account = {domain:String} OR deal IN {deals:Array(String)} OR hasAny(contacts, {contacts:Array(String)}))
ORDER BY at DESC, id DESC, content DESC
LIMIT {limit:UInt64}
