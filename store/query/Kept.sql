-- A row is one event of one content that is about the mail of a rep, newest first, from a time on and before another and ID (in hex);
-- all rows of the last event are there, however many are asked for.
SELECT id, at, kind, content, contacts, account, deal, source, message, agent, probability, rules, signal, withheld
FROM resolved(as_of = {as_of:DateTime64(3)})
WHERE rep = {rep:String} AND at >= {since:DateTime64(3)} AND kind IN {kinds:Array(String)}
    AND ({before:String} = '' OR at < {before_at:DateTime64(3)} OR at = {before_at:DateTime64(3)} AND id < toFixedString(unhex({before:String}), 16))
ORDER BY at DESC, id DESC
LIMIT {limit:UInt64} WITH TIES
