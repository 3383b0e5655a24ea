-- A row is one content that deals had seen, each before a time in milliseconds of its own, at a level of agents: how many of them.
SELECT toString(content) AS seen, uniqExact(e.deal)
FROM deal_events(as_of = {as_of:DateTime64(3)}) AS e
INNER JOIN
(
    SELECT pair.1 AS deal, pair.2 AS until_ms
    FROM (SELECT arrayJoin(arrayZip({deals:Array(String)}, {until:Array(Int64)})) AS pair)
) AS s ON s.deal = e.deal
WHERE e.deal IN {deals:Array(String)} AND kind IN ('clicked', 'viewed', 'replied') AND content != '' AND level >= {level:UInt8}
    AND toUnixTimestamp64Milli(at) < until_ms
GROUP BY seen
ORDER BY uniqExact(e.deal) DESC, seen
