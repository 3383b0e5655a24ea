-- A row is one click or answer that is about a content, from a time on and before another, at a level of agents, the newest
-- first: whose content it was, who may have caused it (several mean "one of N") and the deals that it is tied to.
SELECT id, at, kind, content, rep, contacts, deals
FROM tied(as_of = {as_of:DateTime64(3)})
WHERE kind IN ('clicked', 'replied') AND content != '' AND level >= {level:UInt8} AND at >= {from:DateTime64(3)} AND at < {to:DateTime64(3)}
ORDER BY at DESC, id DESC, content
LIMIT {limit:UInt64}
