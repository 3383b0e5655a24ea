-- A row is one registered deal as it was known then, as in the view deals, with its value and what models and pages ask of it. Reading
-- the attributes of the last registrations only is several times as fast as carrying all of them through the aggregation.
INSERT INTO snapshot_deals (snapshot, deal, name, domain, status, value, reason, created_ms, closed_ms, until_ms, owner, team, source, segment, size, stage, registered_ms, contacts)
WITH
    -- A row is one deal's last registration or, with retracted, that it is gone.
    registered AS
    (
        SELECT
            deal AS name, kind, received_at, attrs,
            toString(account) AS domain,
            if(attrs['status'] = '', 'open', attrs['status']) AS status,
            toUnixTimestamp64Milli(parseDateTime64BestEffortOrZero(attrs['closed_at'], 3, 'UTC')) AS closed_ms,
            upper(if(attrs['currency'] = '', {currency:String}, attrs['currency'])) AS priced_in,
            {rates:Map(String, Decimal(38, 12))} AS rates,
            mapContains(rates, priced_in) AS has_rate,
            toDecimal64OrNull(attrs['amount'], 4) AS price,
            if(has_rate, round(toDecimal256(assumeNotNull(price), 4) * toDecimal256(rates[priced_in], 12) * {minor:Int64}), toDecimal256(0, 16)) AS exact,
            multiIf(
                price IS NULL,                               'no amount',
                NOT has_rate,                                'no rate',
                abs(exact) >= 9000000000000000000,           'too large',
                status IN ('won', 'lost') AND closed_ms = 0, 'no closing date',
                '') AS reason
        FROM facts(as_of = {as_of:DateTime64(3)}) AS f
        WHERE kind IN ('deal', 'retracted') AND deal != '' AND reinterpretAsUInt128(id) NOT IN
        (
            -- those that newer ones replaced
            SELECT arrayJoin(arrayFilter(x -> x != argMax(reinterpretAsUInt128(id), (at, received_at, id)), groupArray(reinterpretAsUInt128(id))))
            FROM facts(as_of = {as_of:DateTime64(3)}) AS f
            WHERE kind IN ('deal', 'retracted') AND deal != ''
            GROUP BY deal
            HAVING count() > 1
        )
    )
SELECT
    {snapshot:String}, xxHash64(name), name, domain, status,
    if(reason IN ('', 'no closing date'), toInt64(exact), 0),
    reason,
    toUnixTimestamp64Milli(parseDateTime64BestEffortOrZero(attrs['created_at'], 3, 'UTC')),
    closed_ms,
    if(status = 'open' OR closed_ms = 0, 10413705600000, closed_ms),
    attrs['owner'], attrs['team'], attrs['source'], attrs['segment'],
    multiIf(
        attrs['size'] != '',               attrs['size'],
        price IS NULL OR NOT has_rate,     '',
        exact < 10000 * {minor:Int64},     'under 10k',
        exact < 100000 * {minor:Int64},    '10k to 100k',
        '100k and over'),
    attrs['stage'], toUnixTimestamp64Milli(received_at),
    arrayFilter(c -> c != '', splitByChar(' ', attrs['contacts']))
FROM registered
WHERE kind = 'deal'
SETTINGS max_insert_threads = 4
