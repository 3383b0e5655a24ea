-- A row is one content that deals had seen, each before a time in milliseconds of its own, at a level of agents: how many of them.
SELECT toString(content), uniqExact(deal)
FROM deal_events(as_of = {as_of:DateTime64(3)}) AS e
WHERE deal IN {deals:Array(String)} AND kind IN ('clicked', 'viewed', 'replied') AND content != '' AND level >= {level:UInt8}
    AND toUnixTimestamp64Milli(at) < arrayElement({until:Array(Int64)}, indexOf({deals:Array(String)}, deal))
GROUP BY content
ORDER BY uniqExact(deal) DESC, content
