-- A row is one deal of a holdout's ledger: what was drawn for it and in which stage, how the deal ended and when, every
-- stage that it was in with the time when we know it to have been there, in order, and when its people had the content first after the draw.
-- A deal whose end has no date ended when the CRM told of it. An empty holdout means all.
SELECT l.holdout, l.deal, l.arm, l.stage, l.drawn_at, d.status, d.ended_at, d.stages, d.times, arrayFirst(t -> t >= l.drawn_at, g.times) AS got_at
FROM
(
    SELECT attrs['holdout'] AS holdout, deal, content, attrs['arm'] AS arm, attrs['stage'] AS stage, at AS drawn_at
    FROM facts(as_of = {as_of:DateTime64(3)})
    WHERE kind = 'assigned' AND attrs['holdout'] != '' AND ({holdout:String} = '' OR attrs['holdout'] = {holdout:String})
) AS l
LEFT JOIN
(
    SELECT
        deal,
        argMaxIf(attrs['status'], (at, received_at, id), kind = 'deal') AS status,
        argMaxIf(parseDateTime64BestEffortOrZero(attrs['closed_at'], 3, 'UTC'), (at, received_at, id), kind = 'deal') AS closed_at,
        if(closed_at > toDateTime64(0, 3, 'UTC'), closed_at, minIf(at, kind = 'deal' AND attrs['status'] IN ('won', 'lost'))) AS ended_at,
        arraySort(groupArrayIf((at, id, if(kind = 'staged', toString(stage), attrs['stage'])), kind = 'staged' OR attrs['stage'] != '')) AS entries,
        arrayMap(e -> e.3, entries) AS stages,
        arrayMap(e -> e.1, entries) AS times
    FROM facts(as_of = {as_of:DateTime64(3)})
    WHERE kind IN ('deal', 'staged') AND deal IN
    (
        SELECT deal FROM facts(as_of = {as_of:DateTime64(3)}) WHERE kind = 'assigned' AND attrs['holdout'] != ''
    )
    GROUP BY deal
) AS d ON d.deal = l.deal
LEFT JOIN
(
    SELECT touched, content, arraySort(groupUniqArray(at)) AS times
    FROM
    (
        SELECT arrayJoin(deals) AS touched, toString(content) AS content, at
        FROM tied(as_of = {as_of:DateTime64(3)})
        WHERE kind IN ('sent', 'opened', 'clicked', 'viewed', 'replied', 'forwarded') AND level >= {level:UInt8} AND content IN
        (
            SELECT content FROM facts(as_of = {as_of:DateTime64(3)}) WHERE kind = 'assigned' AND attrs['holdout'] != ''
        )
    )
    GROUP BY touched, content
) AS g ON g.touched = l.deal AND g.content = l.content
ORDER BY l.holdout, l.drawn_at, l.deal
