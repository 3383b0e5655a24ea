-- A row is one deal in one section of the weekly lead review, the strongest that applies: won, lost, moved,
-- new or silent. A first stage in the week of its creation does not make a deal moved. Silent: open at the
-- end of the week, known for 30 days, and neither touched nor staged in them.
WITH
    {from:DateTime64(3)} AS monday,
    {to:DateTime64(3)}   AS next_monday,
    next_monday - INTERVAL 30 DAY AS silence,
    closed_at >= monday AND closed_at < next_monday   AS closed_now,
    created_at >= monday AND created_at < next_monday AS created_now,
    if(toUnixTimestamp64Milli(created_at) != 0, created_at, known_at) AS born_at,
    born_at < next_monday AND (status = 'open' OR closed_at >= next_monday) AS open_then,
    multiIf(
        closed_now AND status IN ('won', 'lost'), status,
        open_then AND length(entered.stages) > created_now, 'moved',
        created_now, 'new',
        open_then AND born_at < silence AND entered.last_staged < silence AND touched.last_touch < silence, 'silent',
        '') AS section
SELECT
    section,
    deal, name, account, domain, attrs['amount'] AS amount_text, currency, stage, status, owner, created_at, closed_at, loss_reason, contacts,
    touched.touches, touched.last_touch, entered.stages, touched.clicks, touched.replies, touched.sent
FROM deals(as_of = {as_of:DateTime64(3)}) AS known
LEFT JOIN
(
    SELECT
        deal,
        arrayMap(x -> x.3, arraySort(groupArrayIf((at, id, toString(stage)), at >= monday))) AS stages,
        max(at) AS last_staged
    FROM facts(as_of = {as_of:DateTime64(3)})
    WHERE kind = 'staged' AND at < next_monday
    GROUP BY deal
) AS entered USING (deal)
LEFT JOIN
(
    WITH kind IN ('clicked', 'viewed', 'replied') AND level >= {level:UInt8} AS earns
    SELECT
        deal,
        uniqExactIf(id, earns)                                     AS touches,
        maxIf(at, earns)                                           AS last_touch,
        uniqExactIf(id, earns AND kind = 'clicked' AND at >= monday) AS clicks,
        uniqExactIf(id, earns AND kind = 'replied' AND at >= monday) AS replies,
        uniqExactIf((if(message = '', hex(id), message), contacts, content), kind = 'sent' AND at >= monday) AS sent
    FROM deal_touches(as_of = {as_of:DateTime64(3)})
    WHERE at < next_monday
    GROUP BY deal
) AS touched USING (deal)
WHERE section != ''
ORDER BY indexOf(['won', 'lost', 'moved', 'new', 'silent'], section), amount DESC NULLS LAST, deal
