-- A row is one kind of facts about the mail of a rep: how many, how many of these machines made, how many have a person's word on who
-- made them, and the times of the first and the last.
SELECT kind, uniqExact(id), uniqExactIf(id, agent = 'scanner'), uniqExactIf(id, has(rules, 'said')), min(at), max(at)
FROM resolved(as_of = {as_of:DateTime64(3)})
WHERE rep = {rep:String} AND kind IN {kinds:Array(String)}
GROUP BY kind
