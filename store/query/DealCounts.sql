-- A row is one deal with how much touched it at a level of agents: of the given deals, or of all.
SELECT deal, touches, last_touch
FROM deal_counts(as_of = {as_of:DateTime64(3)}) AS c
WHERE counted_at = {level:UInt8} AND (empty({deals:Array(String)}) OR deal IN {deals:Array(String)})
