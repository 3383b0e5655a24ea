-- A row is what one touch earned of one won deal under one model of this run. A model is a list of whole-number weights over
-- the deal's path. A function over an array looks at nothing of the row but short columns: what it looks at is copied for each
-- element, and worked out anew for each if it is an expression. Few steps are queries of their own: each is planned again by all that read it.
INSERT INTO credits (run, model, deal, touch, content, rep, kind, rule, confidence, share, value)
WITH
    {groups:Array(Tuple(name String, first UInt64, lead UInt64, opportunity UInt64, last UInt64, others UInt64, until UInt8, kinds Map(String, UInt64), contents Map(String, UInt64)))} AS group_models,
    {decays:Array(Tuple(name String, half_life_ms Int64))} AS decay_models,
    ['sent', 'opened', 'clicked', 'viewed', 'replied'] AS kind_names,
    (SELECT groupArray(name) FROM (SELECT name FROM snapshot_names WHERE snapshot = {snapshot:String} AND what = 'content' ORDER BY no)) AS content_names,
    (SELECT groupArray(name) FROM (SELECT name FROM snapshot_names WHERE snapshot = {snapshot:String} AND what = 'rep' ORDER BY no)) AS rep_names,
    length(content_names) + 1 AS places, -- of no content, and of each

    -- The factors of kinds and of contents, of one model after the other; that of no content is first.
    arrayFlatten(arrayMap(m -> arrayMap(k -> if(mapContains(m.kinds, k), m.kinds[k], toUInt64(1000)), kind_names), group_models)) AS kind_factors,
    arrayFlatten(arrayMap(m -> arrayPushFront(arrayMap(c -> if(mapContains(m.contents, c), m.contents[c], toUInt64(1000)), content_names), toUInt64(1000)), group_models)) AS content_factors,

    -- The same of the data-driven models: the weight of each content's player, and the player's number.
    {effects:Array(String)} AS effect_models,
    (
        SELECT (arrayFlatten(groupArray(arrayPushFront(weights, toUInt64(1)))), arrayFlatten(groupArray(arrayPushFront(players, toUInt32(0)))))
        FROM
        (
            SELECT model, groupArray(weight) AS weights, groupArray(first) AS players
            FROM
            (
                SELECT asked.model AS model, asked.no AS no, min(asked.no) OVER (PARTITION BY asked.model, asked.player) AS first, toUInt64(round(1e12 * found.effect)) AS weight
                FROM
                (
                    SELECT arrayJoin({effects:Array(String)}) AS model, no, if(match(model, ':[23]$'), concat('kind ', kind), name) AS player
                    FROM snapshot_names WHERE snapshot = {snapshot:String} AND what = 'content'
                ) AS asked
                LEFT JOIN (SELECT model, if(match(model, ':[23]$'), concat('kind ', player), player) AS player, effect FROM effects WHERE run = {run:String}) AS found
                    ON found.model = asked.model AND found.player = asked.player
                ORDER BY indexOf({effects:Array(String)}, model), no
            )
            GROUP BY model
            ORDER BY indexOf({effects:Array(String)}, model)
        )
    ) AS driven,

    -- A row is one won deal with its path; without touches it is one touch of no content, which becomes the unattributed row. touches
    -- are by content and then in order: that is how equal remainders are told apart. place is where each is in the path; nth counts
    -- those of one content, and ranges are these, (first, how many). lead and opportunity are the places of the last touches by then,
    -- 0 for none.
    paths AS
    (
        SELECT
            known.name AS deal, value, length(path) AS n,
            arrayMap((x, i) -> bitShiftLeft(toUInt64(x.3), 24) + i, path, seq) AS keys,
            path.3 AS in_order,
            arrayEnumerate(path) AS seq,
            arraySort((x, k) -> k, path, keys) AS touches,
            arraySort((i, k) -> k, seq, keys) AS place,
            arrayEnumerateUniq(arraySort(path.3)) AS nth,
            arrayFilter((i, n) -> n = 1, seq, nth) AS starts,
            arrayMap((s, next) -> (s, toUInt32(next - s)), starts, arrayPushBack(arrayPopFront(starts), length(path) + 1)) AS ranges,
            arrayMax(path.1) AS last_ms,
            if(lead_ms = 0, 0, arrayCount(t -> t <= lead_ms, path.1)) AS lead,
            if(opportunity_ms = 0, 0, arrayCount(t -> t <= opportunity_ms, path.1)) AS opportunity
        FROM
        (
            SELECT
                deal, value, lead_ms, opportunity_ms,
                if(empty(path), [(toInt64(0), toFixedString('', 16), toUInt32(0), toUInt32(0), toLowCardinality(''), toLowCardinality(''), toUInt16(0))], path) AS path
            FROM run_paths
            WHERE run = {run:String} AND won AND deal BETWEEN {low:UInt64} AND {high:UInt64}
        ) AS own
        INNER JOIN (SELECT deal, name FROM snapshot_deals WHERE snapshot = {snapshot:String} AND deal BETWEEN {low:UInt64} AND {high:UInt64}) AS known ON known.deal = own.deal
    ),

    -- A row is one won deal under one model with its weights.
    weighed AS
    (
        -- hits are what the touches get of the named places, and sharing says who shares the rest.
        SELECT
            deal, value, n, touches, ranges, nth, model,
            arrayMap((hit, shares, sharers) -> toUInt128(hit * greatest(sharers, 1) + others * shares), hits, sharing, arrayWithConstant(n, arraySum(sharing))) AS base,
            if(plain, base, arrayMap((w, x) -> w * content_factors[(m - 1) * places + x.3 + 1] * kind_factors[(m - 1) * 5 + indexOf(kind_names, x.5)], base, touches)) AS weights
        FROM
        (
            SELECT
                *,
                arrayMap(i -> of_first * (i = 1) + of_last * (i = n) + of_lead * (i = lead) + of_opportunity * (i = opportunity), place) AS hits,
                arrayMap((i, hit) -> hit = 0 AND i <= multiIf(others = 0, 0, until, greatest(lead, opportunity), n), place, hits) AS sharing
            FROM
            (
                SELECT
                    *, arrayJoin(arrayEnumerate(group_models)) AS m, group_models[m] AS g, g.1 AS model,
                    g.2 AS of_first, g.3 AS of_lead, g.4 AS of_opportunity, g.5 AS of_last, g.6 AS others, g.7 AS until, empty(g.8) AND empty(g.9) AS plain
                FROM paths
            )
        )
        UNION ALL
        -- From the last touch on, so that old deals do not vanish in rounding; a weight is in 1e-12 of the last touch's.
        SELECT deal, value, n, touches, ranges, nth, m.name, [], arrayMap(x -> toUInt128(round(1e12 * exp2((x.1 - last_ms) / m.half_life_ms))), touches)
        FROM paths
        ARRAY JOIN decay_models AS m
        UNION ALL
        -- A player's effect is shared by its touches: whole parts each, and what is left one each to the first of them.
        SELECT
            deal, value, n, touches, ranges, nth, effect_models[m], [],
            arraySort((w, k) -> k, arrayMap((c, before, after) -> toUInt128(intDiv(driven.1[(m - 1) * places + c + 1], before + after - 1) + (before <= driven.1[(m - 1) * places + c + 1] % (before + after - 1))), in_order,
                arrayEnumerateUniq(players), arrayReverse(arrayEnumerateUniq(arrayReverse(players)))), keys)
        FROM (SELECT *, arrayJoin(arrayEnumerate(effect_models)) AS m, arrayMap(c -> driven.2[(m - 1) * places + c + 1], in_order) AS players FROM paths)
    ),

    -- A row is the same with sums. If no touch weighs anything, all weigh the same.
    summed AS
    (
        SELECT
            deal, value, n, touches, ranges, nth, model, toUInt128(abs(value)) AS amount,
            if(arraySum(weights) = 0, arrayMap(w -> toUInt128(1), weights), weights) AS own, arraySum(own) AS total, arrayReduceInRanges('sum', ranges, own) AS of_content
        FROM weighed
    ),

    -- A row is the same with each content's part of the amount in whole units. Those that rounding down left over go one each to the
    -- largest remainders, of equal ones to the first content: a key has the remainder before the place.
    floored AS
    (
        SELECT
            deal, value, n, touches, ranges, nth, model, own, total, of_content,
            arrayMap(w -> intDiv(amount * w, total), of_content) AS floors,
            arrayMap((w, i) -> amount * w % total * 16777216 + 16777215 - i, of_content, arrayEnumerate(of_content)) AS remainders,
            toUInt64(amount - arraySum(floors)) AS left
        FROM summed
    ),
    by_content AS
    (
        SELECT
            deal, value, n, touches, ranges, nth, model, own, total, of_content, length(ranges) < n AS many,
            arrayMap((f, r, least) -> f + (r >= least), floors, remainders, arrayWithConstant(length(floors), if(left = 0, toUInt128(-1), arrayReverseSort(remainders)[left]))) AS parts
        FROM floored
    ),

    -- A row is the same with each touch's part of its content's, by the same rule. Most deals have no content twice; if many, ranks
    -- are the touches of each content by remainder, of equal ones in order, and lefts how many of them get one more.
    split AS
    (
        SELECT
            deal, value, touches, ranges, nth, model, own, total, parts, many,
            if(many, arrayMap((part, w, sum) -> (intDiv(part * w, sum), part * w % sum),
                arrayFlatten(arrayMap((part, range) -> arrayWithConstant(range.2, part), parts, ranges)),
                own,
                arrayFlatten(arrayMap((sum, range) -> arrayWithConstant(range.2, greatest(sum, 1)), of_content, ranges))), []) AS quotas
        FROM by_content
    ),
    by_touch AS
    (
        SELECT
            deal, value, touches, model, own, total,
            if(many, arraySort((i, q, nth) -> (i - nth, -toInt128(q.2), i), arrayEnumerate(quotas), quotas, nth), []) AS ranks,
            if(many, arrayFlatten(arrayMap((part, sum, range) -> arrayWithConstant(range.2, part - sum), parts, arrayReduceInRanges('sum', ranges, quotas.1), ranges)), []) AS lefts,
            if(many, arrayMap((q, more) -> q.1 + more, quotas, arraySort((more, i) -> i, arrayMap((nth, left) -> nth <= left, nth, lefts), ranks)), parts) AS amounts
        FROM split
    )
SELECT
    {run:String}, model, deal,
    touch.2 AS id,
    if(touch.3 = 0, '', content_names[touch.3]) AS content,
    if(touch.4 = 0, '', rep_names[touch.4]) AS rep,
    touch.5 AS kind,
    touch.6 AS rule,
    touch.7 / 1000 AS confidence,
    toFloat64(weight) / toFloat64(total) AS share,
    sign(value) * toInt64(part) AS value
FROM by_touch
ARRAY JOIN touches AS touch, own AS weight, amounts AS part
WHERE weight > 0
SETTINGS max_insert_threads = 4
