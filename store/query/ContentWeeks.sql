-- A row is how many engaged with one content in each of some weeks, as (week, how many): links, or people without one, that clicked,
-- viewed or answered at a level of agents. starts are the beginnings of the weeks, and the end of the last.
SELECT content, groupArray((week, engaged))
FROM
(
    SELECT
        content,
        toUInt8(arrayCount(s -> at >= s, {starts:Array(DateTime64(3))})) AS week,
        uniqExact(multiIf(share != '', xxHash64(share), notEmpty(contacts), xxHash64(contacts), xxHash64(id))) AS engaged
    FROM resolved(as_of = {as_of:DateTime64(3)})
    WHERE kind IN ('clicked', 'viewed', 'replied') AND level >= {level:UInt8} AND content != ''
        AND at >= {from:DateTime64(3)} AND at < {to:DateTime64(3)}
    GROUP BY content, week
)
GROUP BY content
