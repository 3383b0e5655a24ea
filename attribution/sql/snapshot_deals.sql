-- A row is one deal as it was known then, as in the view deals, with its value and what models and pages ask of it. Reading
-- the attributes of the last registrations only is several times as fast as carrying all of them through the aggregation.
INSERT INTO snapshot_deals (snapshot, no, deal, domain, status, value, reason, created_ms, closed_ms, owner, team, source, segment, size, stage, contacts, entered)
WITH
    -- A row is one deal's last registration or, with retracted, that it is gone.
    registered AS
    (
        SELECT
            deal, kind = 'retracted' AS gone, true AS known, received_at,
            toString(account)  AS domain,
            attrs['status']    AS status,
            attrs['amount']    AS amount,
            attrs['currency']  AS currency,
            toUnixTimestamp64Milli(parseDateTime64BestEffortOrZero(attrs['created_at'], 3, 'UTC')) AS created_ms,
            toUnixTimestamp64Milli(parseDateTime64BestEffortOrZero(attrs['closed_at'], 3, 'UTC'))  AS closed_ms,
            attrs['owner']     AS owner,
            attrs['team']      AS team,
            attrs['source']    AS source,
            attrs['segment']   AS segment,
            attrs['size']      AS size,
            attrs['stage']     AS stage,
            arrayFilter(c -> c != '', splitByChar(' ', attrs['contacts'])) AS contacts
        FROM facts(as_of = {as_of:DateTime64(3)})
        WHERE kind IN ('deal', 'retracted') AND id IN
        (
            SELECT argMax(id, (at, received_at, id)) FROM facts(as_of = {as_of:DateTime64(3)})
            WHERE kind IN ('deal', 'retracted') AND deal != ''
            GROUP BY deal
        )
    ),
    -- A row is one deal with the stages it entered, in order.
    staged AS
    (
        SELECT deal, arraySort(x -> (x.1, x.3), groupArray((toUnixTimestamp64Milli(at), toString(stage), id, received_at))) AS entered
        FROM facts(as_of = {as_of:DateTime64(3)})
        WHERE kind = 'staged'
        GROUP BY deal
    ),
    -- A row is one deal that is not gone.
    known_deals AS
    (
        SELECT
            if(known, r.deal, s.deal) AS deal,
            domain,
            if(status = '', 'open', status) AS status,
            upper(if(currency = '', {currency:String}, currency)) AS priced_in,
            {rates:Map(String, Decimal(38, 12))} AS rates,
            toDecimal64OrNull(amount, 4) AS price,
            if(mapContains(rates, priced_in), round(toDecimal256(assumeNotNull(price), 4) * toDecimal256(rates[priced_in], 12) * {minor:Int64}), toDecimal256(0, 16)) AS exact,
            created_ms, closed_ms, owner, team, source, segment, size,
            if(stage != '' AND received_at >= entered[-1].4, stage, if(notEmpty(entered), entered[-1].2, stage)) AS stage,
            contacts, entered
        FROM registered AS r
        FULL JOIN staged AS s ON s.deal = r.deal
        WHERE NOT gone
    )
SELECT
    {snapshot:String} AS snapshot,
    rowNumberInAllBlocks() AS no,
    deal, domain, status,
    if(reason IN ('', 'no closing date'), toInt64(exact), 0) AS value,
    multiIf(
        price IS NULL,                               'no amount',
        NOT mapContains(rates, priced_in),           'no rate',
        abs(exact) >= 9000000000000000000,           'too large',
        status IN ('won', 'lost') AND closed_ms = 0, 'no closing date',
        '') AS reason,
    created_ms, closed_ms,
    owner, team, source, segment,
    multiIf(
        size != '',                                        size,
        price IS NULL OR NOT mapContains(rates, priced_in), '',
        exact < 10000 * {minor:Int64},                     'under 10k',
        exact < 100000 * {minor:Int64},                    '10k to 100k',
        '100k and over') AS size,
    stage, contacts,
    arrayMap(x -> (x.1, x.2), entered) AS entered
FROM (SELECT * FROM known_deals ORDER BY deal)
