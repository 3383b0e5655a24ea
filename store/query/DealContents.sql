-- A row is one content that touched one deal before a time at a level of agents, and how often.
SELECT deal, toString(content), count()
FROM deal_events(as_of = {as_of:DateTime64(3)}) AS e
WHERE at < {to:DateTime64(3)} AND deal IN {deals:Array(String)}
    AND kind IN ('clicked', 'viewed', 'replied') AND content != '' AND level >= {level:UInt8}
GROUP BY deal, content
