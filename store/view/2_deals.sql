-- A row is one deal in its latest state. A deal known only from its stages has no amount and is open.
CREATE OR REPLACE VIEW deals AS
SELECT
    deal,
    last_attrs['name']     AS name,
    last_attrs['account']  AS account,
    last_account           AS domain,
    toDecimal64OrNull(last_attrs['amount'], 4) AS amount,
    last_attrs['currency'] AS currency,
    if(stages.deal != '' AND stages.stage != '', stages.stage, last_attrs['stage']) AS stage,
    if(last_attrs['status'] = '', 'open', last_attrs['status']) AS status,
    last_attrs['owner']    AS owner,
    parseDateTime64BestEffortOrZero(last_attrs['created_at'], 3, 'UTC') AS created_at,
    parseDateTime64BestEffortOrZero(last_attrs['closed_at'], 3, 'UTC')  AS closed_at,
    last_attrs['loss_reason'] AS loss_reason,
    arrayFilter(c -> c != '', splitByChar(' ', last_attrs['contacts'])) AS contacts,
    last_attrs AS attrs,
    last_id    AS id
FROM
(
    SELECT
        deal,
        argMaxIf(attrs, (at, received_at, id), kind = 'deal')   AS last_attrs,
        argMaxIf(account, (at, received_at, id), kind = 'deal') AS last_account,
        argMaxIf(id, (at, received_at, id), kind = 'deal')      AS last_id
    FROM facts(as_of = {as_of:DateTime64(3)})
    WHERE kind IN ('deal', 'staged') AND deal != ''
    GROUP BY deal
) AS states
LEFT JOIN
(
    SELECT deal, argMax(stage, (at, id)) AS stage
    FROM facts(as_of = {as_of:DateTime64(3)})
    WHERE kind = 'staged'
    GROUP BY deal
) AS stages ON stages.deal = states.deal
