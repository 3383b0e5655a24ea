-- A row is one deal that one content touched, at a level of agents.
SELECT DISTINCT arrayJoin(deals)
FROM tied(as_of = {as_of:DateTime64(3)})
WHERE content = {content:String} AND kind IN ('clicked', 'viewed', 'replied') AND level >= {level:UInt8}
