-- A row is one deal of which some key got something else in run b than in run a: what each such key got, the deal as both runs knew it,
-- and its touches in both, each in some lists of one length. Values are in minor units, credits in 1e-12 deals, times in milliseconds.
-- Of the touches those are told that earn under path_model. Deals are taken by name, or of every so many one part.
SELECT
    c.deal, keys.1, keys.2, keys.3, keys.4, keys.5, keys.6, had, has_now, had_value, has_value,
    d.was.1, d.was.2, d.was.3, d.was.4, d.now.1, d.now.2, d.now.3, d.now.4,
    arrayMap(x -> hex(x.1), was), was.2, was.3, was.4, arrayMap(x -> hex(x.1), now), now.2, now.3, now.4
FROM
(
    -- A row is one deal with the keys that changed, and with the touches of all.
    SELECT
        deal,
        groupArrayIf((unattributed, key, before, after, credit_before, credit_after), before != after OR credit_before != credit_after) AS keys,
        sum(counted_before) > 0 AS had, sum(counted_after) > 0 AS has_now, sum(before) AS had_value, sum(after) AS has_value,
        groupArrayArray(arrayMap(x -> (x.1, x.2, x.3, key), key_was)) AS was,
        groupArrayArray(arrayMap(x -> (x.1, x.2, x.3, key), key_now)) AS now
    FROM
    (
        -- A row is one key of one deal.
        SELECT
            deal, unattributed, key,
            countIf(counts AND NOT later) AS counted_before, countIf(counts AND later) AS counted_after,
            sumIf(value, counts AND NOT later) AS before, sumIf(value, counts AND later) AS after,
            sumIf(credit, counts AND NOT later) AS credit_before, sumIf(credit, counts AND later) AS credit_after,
            groupArrayIf((touch, content, kind), tells AND NOT unattributed AND NOT later) AS key_was,
            groupArrayIf((touch, content, kind), tells AND NOT unattributed AND later) AS key_now
        FROM
        (
            -- A row is what one touch earned of one deal in one of the runs.
            SELECT
                e.run = {b:String} AS later, e.model = {model:String} AS counts, e.model = {path_model:String} AS tells,
                e.deal AS deal, e.touch AS touch, toString(e.content) AS content, toString(e.kind) AS kind,
                toInt64(round(e.share * 1e12)) AS credit, e.value AS value,
                e.content = '' AS unattributed,
                multiIf(e.content = '', '', {by:String} = 'content', toString(e.content), {by:String} = 'rep', toString(e.rep), {of_content:Bool}, known.key, owned.key) AS key
            FROM credits AS e
            LEFT JOIN
            (
                SELECT {a:String} AS run, content, if({by:String} = 'kind', kind, persona) AS key FROM contents(as_of = {a_as_of:DateTime64(3)}) WHERE {of_content:Bool}
                UNION ALL
                SELECT {b:String} AS run, content, if({by:String} = 'kind', kind, persona) AS key FROM contents(as_of = {b_as_of:DateTime64(3)}) WHERE {of_content:Bool}
            ) AS known ON known.run = e.run AND known.content = e.content
            LEFT JOIN
            (
                SELECT
                    run, deal,
                    multiIf(
                        {by:String} = 'owner',   toString(owner),
                        {by:String} = 'team',    toString(team),
                        {by:String} = 'source',  toString(source),
                        {by:String} = 'stage',   toString(stage),
                        {by:String} = 'segment', toString(segment),
                        {by:String} = 'size',    toString(size),
                        {by:String} = 'account', toString(domain),
                        formatDateTime(closed_at, '%Y-%m', {zone:String})) AS key
                FROM run_deals
                WHERE run IN ({a:String}, {b:String}) AND {of_deal:Bool} AND cityHash64(deal) % {parts:UInt64} = {part:UInt64} AND (empty({deals:Array(String)}) OR deal IN (SELECT arrayJoin({deals:Array(String)})))
            ) AS owned ON owned.run = e.run AND owned.deal = e.deal
            WHERE e.run IN ({a:String}, {b:String}) AND e.model IN ({model:String}, {path_model:String}) AND cityHash64(e.deal) % {parts:UInt64} = {part:UInt64} AND (empty({deals:Array(String)}) OR e.deal IN (SELECT arrayJoin({deals:Array(String)})))
        )
        GROUP BY deal, unattributed, key
    )
    GROUP BY deal
    HAVING notEmpty(keys)
) AS c
LEFT JOIN
(
    -- A row is one deal as both runs knew it, each (status, why it has no value, when it closed, its path).
    SELECT deal, anyIf(fact, run = {a:String}) AS was, anyIf(fact, run = {b:String}) AS now
    FROM
    (
        SELECT run, deal, (toString(status), toString(reason), toUnixTimestamp64Milli(closed_at), path) AS fact
        FROM run_deals
        WHERE run IN ({a:String}, {b:String}) AND cityHash64(deal) % {parts:UInt64} = {part:UInt64} AND (empty({deals:Array(String)}) OR deal IN (SELECT arrayJoin({deals:Array(String)})))
    )
    GROUP BY deal
) AS d ON d.deal = c.deal
