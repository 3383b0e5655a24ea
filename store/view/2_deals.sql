-- A row is one deal in its latest state. Its stage is what we learned last, by received_at: the stage it
-- entered last or the stage of its latest registration. A deal known only from its stages has no amount
-- and is open. known_at is when the first thing we know of it happened. A deal whose newest word is that it
-- was retracted, or merged into another, is not there, whatever its stages.
CREATE OR REPLACE VIEW deals AS
SELECT
    deal,
    last_attrs['name']     AS name,
    last_attrs['account']  AS account,
    last_account           AS domain,
    toDecimal64OrNull(last_attrs['amount'], 4) AS amount,
    last_attrs['currency'] AS currency,
    if(last_attrs['stage'] != '' AND registered_at >= staged_at, last_attrs['stage'], if(staged != '', staged, last_attrs['stage'])) AS stage,
    if(last_attrs['status'] = '', 'open', last_attrs['status']) AS status,
    last_attrs['owner']    AS owner,
    parseDateTime64BestEffortOrZero(last_attrs['created_at'], 3, 'UTC') AS created_at,
    parseDateTime64BestEffortOrZero(last_attrs['closed_at'], 3, 'UTC')  AS closed_at,
    last_attrs['loss_reason'] AS loss_reason,
    arrayFilter(c -> c != '', splitByChar(' ', last_attrs['contacts'])) AS contacts,
    known_at,
    last_attrs AS attrs,
    last_id    AS id
FROM
(
    SELECT
        deal,
        argMaxIf(attrs, (at, received_at, id), kind = 'deal')       AS last_attrs,
        argMaxIf(account, (at, received_at, id), kind = 'deal')     AS last_account,
        argMaxIf(id, (at, received_at, id), kind = 'deal')          AS last_id,
        argMaxIf(received_at, (at, received_at, id), kind = 'deal') AS registered_at,
        argMaxIf(stage, (at, id), kind = 'staged')                  AS staged,
        argMaxIf(received_at, (at, id), kind = 'staged')            AS staged_at,
        minIf(at, kind != 'retracted')                              AS known_at,
        argMaxIf(kind, (at, received_at, id), kind != 'staged')     AS last_word
    FROM facts(as_of = {as_of:DateTime64(3)})
    WHERE kind IN ('deal', 'staged', 'retracted') AND deal != ''
    GROUP BY deal
    HAVING last_word != 'retracted'
)
