-- A row is what one touch earned of one won deal under one model of this run. A model is a list of whole-number weights over
-- the deal's path. Each step is a query of its own: a chain of aliases in one query is written out wherever it is used, and
-- planning it then takes longer than running it.
INSERT INTO credits (run, model, deal, touch, content, rep, kind, rule, confidence, share, value)
WITH
    {groups:Array(Tuple(name String, first UInt64, lead UInt64, opportunity UInt64, last UInt64, others UInt64, until UInt8, kinds Map(String, UInt64), contents Map(String, UInt64)))} AS group_models,
    {decays:Array(Tuple(name String, half_life_ms Int64))} AS decay_models,
    (SELECT groupArray(name) FROM (SELECT name FROM snapshot_names WHERE snapshot = {snapshot:String} AND what = 'content' ORDER BY no)) AS content_names,
    (SELECT groupArray(name) FROM (SELECT name FROM snapshot_names WHERE snapshot = {snapshot:String} AND what = 'rep' ORDER BY no)) AS rep_names,

    -- The data-driven models of the run, each (name, weight of each content by number, player of each content).
    (
        SELECT groupArray((model, weights, players))
        FROM
        (
            SELECT model, groupArray(weight) AS weights, groupArray(player) AS players
            FROM
            (
                SELECT asked.model AS model, asked.no AS no, asked.player AS player, toUInt64(round(1e12 * found.effect)) AS weight
                FROM
                (
                    SELECT arrayJoin({effects:Array(String)}) AS model, no, if(match(model, ':[23]$'), concat('kind ', kind), name) AS player
                    FROM snapshot_names WHERE snapshot = {snapshot:String} AND what = 'content'
                ) AS asked
                LEFT JOIN (SELECT model, if(match(model, ':[23]$'), concat('kind ', player), player) AS player, effect FROM effects WHERE run = {run:String}) AS found
                    ON found.model = asked.model AND found.player = asked.player
                ORDER BY model, no
            )
            GROUP BY model
        )
    ) AS effect_models,

    -- A row is one won deal with its path; without touches it is one touch of no content, which becomes the unattributed row.
    -- lead and opportunity are the places of the last touches by then, 0 for none.
    paths AS
    (
        SELECT
            known.deal AS deal, value,
            if(empty(path), [(toInt64(0), toFixedString('', 16), toUInt32(0), toUInt32(0), '', '', toUInt16(0))], path) AS path,
            range(1, length(path) + 1) AS seq,
            if(lead_ms = 0, 0, arrayLastIndex(x -> x.1 <= lead_ms, path)) AS lead,
            if(opportunity_ms = 0, 0, arrayLastIndex(x -> x.1 <= opportunity_ms, path)) AS opportunity
        FROM run_paths AS own
        INNER JOIN (SELECT no, deal FROM snapshot_deals WHERE snapshot = {snapshot:String} AND no >= {low:UInt32} AND no < {high:UInt32}) AS known ON known.no = own.deal
        WHERE run = {run:String} AND won AND own.deal >= {low:UInt32} AND own.deal < {high:UInt32}
    ),

    -- A row is one won deal under one model of groups: hits are what the touches get of the named places, others says who shares the rest.
    placed AS
    (
        SELECT
            deal, value, path, m,
            arrayMap(i -> m.first * (i = 1) + m.last * (i = length(seq)) + m.lead * (i = lead) + m.opportunity * (i = opportunity), seq) AS hits,
            arrayMap((i, hit) -> m.others > 0 AND hit = 0 AND (NOT m.until OR i <= greatest(lead, opportunity)), seq, hits) AS others,
            arrayMap(x -> if(mapContains(m.kinds, toString(x.5)), m.kinds[toString(x.5)], 1000) * if(x.3 > 0 AND mapContains(m.contents, content_names[x.3]), m.contents[content_names[x.3]], 1000), path) AS factors
        FROM paths
        ARRAY JOIN group_models AS m
    ),

    -- A row is one won deal under one model with its weights.
    weighed AS
    (
        SELECT deal, value, path, m.name AS model, arrayMap((hit, other, factor) -> toInt128(hit * greatest(arraySum(others), 1) + m.others * other) * factor, hits, others, factors) AS weights
        FROM placed
        UNION ALL
        -- From the last touch on, so that old deals do not vanish in rounding; a weight is in 1e-12 of the last touch's.
        SELECT deal, value, path, m.name AS model, arrayMap(x -> toUInt64(round(1e12 * exp2((x.1 - path[-1].1) / m.half_life_ms))), path) AS weights
        FROM paths
        ARRAY JOIN decay_models AS m
        UNION ALL
        -- A player's effect is shared by its touches: whole parts each, and what is left one each to the first.
        SELECT
            deal, value, path, m.1 AS model,
            arrayMap((x, p, place) -> if(x.3 = 0, 1, intDiv(m.2[x.3], countEqual(players, p)) + (place <= m.2[x.3] % countEqual(players, p))), path, players, arrayEnumerateUniq(players)) AS weights
        FROM
        (
            SELECT deal, value, path, m, arrayMap(x -> m.3[x.3], path) AS players
            FROM paths
            ARRAY JOIN effect_models AS m
        )
    ),

    -- A row is the same with the touches that earn, each (content, place in the path, touch, weight), by content and then in
    -- order: that is how equal remainders are told apart. If no touch weighs anything, all weigh the same.
    earning AS
    (
        SELECT
            deal, value, model,
            arraySort(x -> (x.1, x.2), arrayFilter(x -> x.4 > 0, arrayMap((x, i, w) -> (x.3, i, x, toInt128(if(arraySum(weights) = 0, 1, w))), path, arrayEnumerate(path), weights))) AS touches
        FROM weighed
    ),

    -- A row is the same with the touches of each content in a list of their own.
    grouped AS
    (
        SELECT
            deal, value, model,
            toInt128(abs(value)) AS amount,
            arraySum(x -> x.4, touches) AS total,
            arraySplit((x, last) -> x.1 != last.1, touches, arrayShiftRight(touches, 1)) AS contents
        FROM earning
    ),

    -- A row is the same with each content's quota of the amount: (place, touches, weight, whole units, remainder).
    content_quotas AS
    (
        SELECT
            deal, value, model, amount, total,
            arrayMap((i, xs, w) -> (i, xs, w, intDiv(amount * w, total), amount * w % total),
                arrayEnumerate(contents), contents, arrayMap(xs -> arraySum(x -> x.4, xs), contents)) AS quotas
        FROM grouped
    ),

    -- A row is one content of one won deal under one model: (touches, weight, its part of the amount). The whole units that
    -- rounding down left over go one each to the largest remainders.
    by_content AS
    (
        SELECT
            deal, value, model, total,
            arrayJoin(arrayMap((q, rank) -> (q.2, q.3, q.4 + (rank <= amount - arraySum(each -> each.4, quotas))),
                arraySort(q -> (-q.5, q.1), quotas), arrayEnumerate(quotas))) AS part
        FROM content_quotas
    ),

    -- A row is the same with each touch's quota of the part: (place, touch, weight, whole units, remainder).
    touch_quotas AS
    (
        SELECT
            deal, value, model, total, part.3 AS amount,
            arrayMap(x -> (x.2, x.3, x.4, intDiv(part.3 * x.4, part.2), part.3 * x.4 % part.2), part.1) AS quotas
        FROM by_content
    ),

    -- A row is one touch of one won deal under one model: (touch, weight, its part of the amount), split as above.
    by_touch AS
    (
        SELECT
            deal, value, model, total,
            arrayJoin(arrayMap((q, rank) -> (q.2, q.3, q.4 + (rank <= amount - arraySum(each -> each.4, quotas))),
                arraySort(q -> (-q.5, q.1), quotas), arrayEnumerate(quotas))) AS part,
            part.1 AS touch
        FROM touch_quotas
    )
SELECT
    {run:String}, model, deal,
    touch.2 AS id,
    if(touch.3 = 0, '', content_names[touch.3]) AS content,
    if(touch.4 = 0, '', rep_names[touch.4]) AS rep,
    touch.5 AS kind,
    touch.6 AS rule,
    touch.7 / 1000 AS confidence,
    toFloat64(part.2) / toFloat64(total) AS share,
    toInt64(sign(value) * part.3) AS value
FROM by_touch
