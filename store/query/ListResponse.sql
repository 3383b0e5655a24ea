-- A row is one content that leads of a list were sent, and one stratum: the stage of the deal when a person was first sent it, and the
-- segment (size without one) of that deal. With it, of the leads and of those not on the list who were first sent it in the same
-- time, give or take a week: how many, who of them clicked or viewed it after that, who answered, and who did any of these. Only
-- what nobody else can have done counts.
WITH
    listed AS (SELECT contact FROM facts(as_of = {as_of:DateTime64(3)}) WHERE kind = 'listed' AND contact != '' AND attrs['list'] = {list:String}),
    touches AS
    (
        SELECT content, kind, at, level, deals, contacts[1] AS person
        FROM tied(as_of = {as_of:DateTime64(3)}) AS t
        WHERE kind IN ('sent', 'clicked', 'viewed', 'replied') AND content != '' AND length(contacts) = 1
    )
SELECT
    content, stage, segment, min(lo), max(hi),
    countIf(on_list), countIf(on_list AND clicked), countIf(on_list AND replied), countIf(on_list AND (clicked OR replied)),
    countIf(NOT on_list), countIf(NOT on_list AND (clicked OR replied))
FROM
(
    SELECT
        p.content AS content, p.on_list AS on_list, p.clicked AS clicked, p.replied AS replied, p.first AS first,
        if(s.at > toDateTime64(0, 3, 'UTC'), s.stage, '') AS stage,
        if(d.segment != '', d.segment, d.size) AS segment,
        minIf(p.first, p.on_list) OVER (PARTITION BY p.content) AS lo,
        maxIf(p.first, p.on_list) OVER (PARTITION BY p.content) AS hi
    FROM
    (
        SELECT
            content, person,
            person IN (SELECT contact FROM listed) AS on_list,
            minIf(at, kind = 'sent') AS first,
            argMinIf(arrayElement(arraySort(deals), 1), at, kind = 'sent') AS deal,
            maxIf(at, kind IN ('clicked', 'viewed') AND level >= {level:UInt8}) >= first AS clicked,
            maxIf(at, kind = 'replied' AND level >= {level:UInt8}) >= first AS replied
        FROM touches
        GROUP BY content, person
        HAVING countIf(kind = 'sent') > 0
    ) AS p
    ASOF LEFT JOIN
    (
        SELECT deal, at, stage FROM staged(as_of = {as_of:DateTime64(3)}) AS r
    ) AS s ON s.deal = p.deal AND p.first >= s.at
    LEFT JOIN (SELECT deal, segment, size FROM segments(as_of = {as_of:DateTime64(3)}) AS g) AS d ON d.deal = p.deal
)
WHERE toUnixTimestamp64Milli(hi) > 0 AND (on_list OR first BETWEEN lo - INTERVAL 7 DAY AND hi + INTERVAL 7 DAY)
GROUP BY content, stage, segment
HAVING countIf(on_list) + countIf(NOT on_list) > 0
ORDER BY content, stage, segment
