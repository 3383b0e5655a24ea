-- A row is one event of one content in a deal's trail, newest first.
SELECT
    id, message, at, kind, content, contacts, rep, {deal:String} AS deal, stage, note, agent, probability, rules, source, signal, led_to, withheld, rule,
    kind IN ('clicked', 'viewed', 'replied') AND level >= {level:UInt8} AND content != '' AS earns
FROM tied(as_of = {as_of:DateTime64(3)})
WHERE has(deals, {deal:String}) AND kind NOT IN ('contact', 'content', 'assigned')
ORDER BY at DESC, id DESC, content DESC
