-- A row is one registered deal, as in the view deals. To read the attributes of last registrations only is several times as fast as to
-- carry all of them through an aggregation.
INSERT INTO layout_deals (layout, deal, name, account, domain, amount, currency, stage, status, owner, created_at, closed_at, loss_reason, contacts, known_at, attrs, id)
SELECT
    {snapshot:String}, r.deal, attrs['name'], attrs['account'], account, toDecimal64OrNull(attrs['amount'], 4), attrs['currency'],
    if(attrs['stage'] != '' AND received_at >= staged_at, attrs['stage'], if(staged != '', staged, attrs['stage'])),
    if(attrs['status'] = '', 'open', attrs['status']), attrs['owner'],
    parseDateTime64BestEffortOrZero(attrs['created_at'], 3, 'UTC'),
    parseDateTime64BestEffortOrZero(attrs['closed_at'], 3, 'UTC'),
    attrs['loss_reason'],
    arrayFilter(c -> c != '', splitByChar(' ', attrs['contacts'])),
    s.known_at, attrs, id
FROM
(
    SELECT deal, xxHash64(deal) AS deal_hash, account, received_at, attrs, id, kind
    FROM facts(as_of = {as_of:DateTime64(3)}) AS f
    WHERE kind = 'deal' AND deal != '' AND reinterpretAsUInt128(id) NOT IN
    (
        -- those that newer ones replaced
        SELECT arrayJoin(arrayFilter(x -> x != argMax(reinterpretAsUInt128(id), (at, received_at, id)), groupArray(reinterpretAsUInt128(id))))
        FROM facts(as_of = {as_of:DateTime64(3)}) AS f
        WHERE kind IN ('deal', 'retracted') AND deal != ''
        GROUP BY deal
        HAVING count() > 1
    )
) AS r
LEFT ANY JOIN
(
    SELECT
        xxHash64(deal) AS deal_hash,
        argMaxIf(stage, (at, id), kind = 'staged')       AS staged,
        argMaxIf(received_at, (at, id), kind = 'staged') AS staged_at,
        min(at)                                          AS known_at
    FROM facts(as_of = {as_of:DateTime64(3)}) AS f
    WHERE kind IN ('deal', 'staged') AND deal != ''
    GROUP BY deal_hash
) AS s ON s.deal_hash = r.deal_hash
