-- A row is what one touch earned of one won deal under one model of this run. A model is a list of whole-number weights over
-- the deal's path: another rule model is another line in weighed. Each step is a query of its own: a chain of aliases in one
-- query is written out wherever it is used, and planning it then takes longer than running it.
INSERT INTO credits (run, model, deal, touch, content, rep, share, value)
WITH
    -- A row is one won deal of the period; value is in minor units of the reporting currency.
    won AS
    (
        SELECT deal, closed_ms, toInt64(exact) AS value
        FROM
        (
            SELECT
                deal,
                toUnixTimestamp64Milli(closed_at) AS closed_ms,
                {rates:Map(String, Decimal(38, 12))} AS rates,
                if(currency = '', {currency:String}, upper(currency)) AS priced_in,
                round(toDecimal256(assumeNotNull(amount), 4) * toDecimal256(rates[priced_in], 12) * {minor:Int64}) AS exact
            FROM deals(as_of = {as_of:DateTime64(3)})
            WHERE status = 'won' AND amount IS NOT NULL AND mapContains(rates, priced_in)
        )
        WHERE closed_ms != 0
          AND ({from_ms:Int64} = 0 OR closed_ms >= {from_ms:Int64})
          AND ({to_ms:Int64} = 0 OR closed_ms < {to_ms:Int64})
          AND abs(exact) < 9000000000000000000
    ),

    -- A row is one won deal with its eligible touches, each (burst, at, id, content, rep), bursts together; none is a row too.
    touched AS
    (
        SELECT
            w.deal AS deal,
            w.value AS value,
            arraySort(groupArrayIf(
                (sipHash64(t.contacts, t.content, t.kind), t.at_ms, t.id, t.content, t.rep),
                t.deal != '' AND t.at_ms <= w.closed_ms AND ({window_ms:Int64} = 0 OR t.at_ms >= w.closed_ms - {window_ms:Int64}))) AS touches
        FROM
        (
            SELECT deal, id, toUnixTimestamp64Milli(at) AS at_ms, toString(kind) AS kind, toString(content) AS content, toString(rep) AS rep, contacts
            FROM deal_touches(as_of = {as_of:DateTime64(3)})
            WHERE kind IN {kinds:Array(String)} AND level >= {level:UInt8}
        ) AS t
        RIGHT JOIN won AS w ON w.deal = t.deal
        GROUP BY deal, value
    ),

    -- A row is one won deal with its path: of each burst the first touch, as (at, id, content, rep), in order. Without touches
    -- it is one empty touch, which becomes the unattributed row.
    paths AS
    (
        SELECT
            deal, value,
            if(empty(touches), [(toInt64(0), toFixedString('', 16), '', '')],
                arraySort(arrayMap(x -> (x.2, x.3, x.4, x.5), arrayFilter(
                    (x, last) -> x.1 != last.1 OR x.2 - last.2 > {burst_ms:Int64},
                    touches,
                    arrayPushFront(arrayPopBack(arrayMap(x -> (x.1, x.2), touches)), (toUInt64(0), toInt64(-9000000000000000))))))) AS path,
            range(1, length(path) + 1) AS seq
        FROM touched
    ),

    -- A row is one won deal under one model; weighing is the model's name and its weights.
    weighed AS
    (
        SELECT
            deal, value, path, seq,
            arrayJoin(arrayFilter(m -> has({models:Array(String)}, m.1),
            [
                ('first',  arrayMap(i -> toUInt64(i = 1), seq)),
                ('last',   arrayMap(i -> toUInt64(i = length(seq)), seq)),
                ('linear', arrayMap(i -> toUInt64(1), seq))
            ])) AS weighing
        FROM paths
    ),

    -- A row is one won deal under one model with the touches that earn, each (content, place in the path, id, rep, weight), by
    -- content and then in order: that is how equal remainders are told apart.
    earning AS
    (
        SELECT
            deal, value, weighing.1 AS model,
            arraySort(arrayFilter(x -> x.5 > 0, arrayMap((x, i, w) -> (x.3, i, x.2, x.4, toInt128(w)), path, seq, weighing.2))) AS touches
        FROM weighed
    ),

    -- A row is the same with the touches of each content in a list of their own.
    grouped AS
    (
        SELECT
            deal, value, model,
            toInt128(abs(value)) AS amount,
            arraySum(x -> x.5, touches) AS total,
            arraySplit((x, last) -> x.1 != last, touches, arrayPushFront(arrayPopBack(arrayMap(x -> x.1, touches)), touches[1].1)) AS contents
        FROM earning
    ),

    -- A row is the same with each content's quota of the amount: (place, touches, weight, whole units, remainder).
    content_quotas AS
    (
        SELECT
            deal, value, model, amount, total,
            arrayMap((i, xs, w) -> (i, xs, w, intDiv(amount * w, total), amount * w % total),
                arrayEnumerate(contents), contents, arrayMap(xs -> arraySum(x -> x.5, xs), contents)) AS quotas
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

    -- A row is the same with each touch's quota of the part: (place, touch, whole units, remainder).
    touch_quotas AS
    (
        SELECT
            deal, value, model, total, part.3 AS amount,
            arrayMap(x -> (x.2, x, intDiv(part.3 * x.5, part.2), part.3 * x.5 % part.2), part.1) AS quotas
        FROM by_content
    ),

    -- A row is one touch of one won deal under one model: (touch, its part of the amount), split as above.
    by_touch AS
    (
        SELECT
            deal, value, model, total,
            arrayJoin(arrayMap((q, rank) -> (q.2, q.3 + (rank <= amount - arraySum(each -> each.3, quotas))),
                arraySort(q -> (-q.4, q.1), quotas), arrayEnumerate(quotas))) AS part
        FROM touch_quotas
    )
SELECT
    {run:String} AS run,
    model,
    deal,
    part.1.3 AS touch,
    part.1.1 AS content,
    part.1.4 AS rep,
    toFloat64(part.1.5) / toFloat64(total) AS share,
    toInt64(sign(value) * part.2) AS value
FROM by_touch
