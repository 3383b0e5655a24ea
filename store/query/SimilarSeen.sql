-- A row is one content that deals had seen, each before a time in milliseconds of its own, at a level of agents: how many of them.
SELECT content, uniqExact(deal)
FROM
(
    SELECT toString(content) AS content, arrayJoin(arrayFilter(d -> has({deals:Array(String)}, d), deals)) AS deal, at
    FROM tied(as_of = {as_of:DateTime64(3)}) AS t
    WHERE kind IN ('clicked', 'viewed', 'replied') AND content != '' AND level >= {level:UInt8} AND hasAny(deals, {deals:Array(String)})
)
WHERE toUnixTimestamp64Milli(at) < arrayElement({until:Array(Int64)}, indexOf({deals:Array(String)}, deal))
GROUP BY content
ORDER BY uniqExact(deal) DESC, content
