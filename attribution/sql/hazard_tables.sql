-- A row is the weeks at risk of stage entries of one kind, with one content or, with content empty, all: which weeks, and for each
-- how many entries began to be at risk in it and how many ended with it, advanced, lost, or no longer watched. With a content they are at risk from
-- the first week that begins after it was seen; first counts those that saw it in the stage. saw is the class of how many contents
-- the deal had seen when it entered the stage, others the same without this one: 0, 1, 2-3, 4-7, 8-15, 16 and more.
WITH n -> toUInt8(multiIf(n < 2, n, n < 4, 2, n < 8, 3, n < 16, 4, 5)) AS classOf
SELECT content, stage, segment, saw, others, groupArray(week), groupArray(starts), groupArray(first), groupArray(advanced), groupArray(lost), groupArray(left)
FROM
(
    SELECT
        content, stage, segment, classOf(at_entry) AS saw, classOf(at_entry - (content != '' AND since < 0)) AS others,
        toUInt16(end.1) AS week,
        toInt64(countIf(end.2 = 0)) AS starts, toInt64(countIf(end.2 = 0 AND since >= 0)) AS first,
        toInt64(countIf(end.2 = 1 AND ended = 'advanced')) AS advanced, toInt64(countIf(end.2 = 1 AND ended = 'lost')) AS lost, toInt64(countIf(end.2 = 1 AND ended = 'unknown')) AS left
    FROM lift_entries
    ARRAY JOIN arrayPushFront(contents, '') AS content, arrayPushFront(seen, -1) AS since
    ARRAY JOIN [(since + 1, 0), (weeks - 1, 1)] AS end
    WHERE run = {run:String} AND since + 1 < weeks
    GROUP BY content, stage, segment, saw, others, week
)
GROUP BY content, stage, segment, saw, others
ORDER BY content, stage, segment, saw, others
