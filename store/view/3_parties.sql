-- A row is one party to deals, a contact, a company, a link, or "deal " and the ID of a merged deal, with its deals, each as (when it
-- closes, deal): all of them, those of these that it has by a person's word (told), and the deals that it has not by a person's
-- word (denied). A deal that is open closes at the end of time. Whom a merged deal had, the deal that it went into has, at most two steps on.
CREATE OR REPLACE VIEW parties AS
SELECT
    pair.1 AS party,
    groupArrayIf((until, deal), pair.2 > 0 AND pair.2 % 2 = 1)  AS told,
    groupArrayIf(deal, pair.2 > 0 AND pair.2 % 2 = 0)           AS denied,
    groupArrayIf((until, deal), pair.2 = 0 OR pair.2 % 2 = 1)   AS deals
FROM
(
    SELECT deal, until, arrayJoin(arrayConcat(arrayZip(said.1, said.2), arrayMap(n -> (n, if(has(said.1, n), -2, 0)), arrayDistinct(names)))) AS pair
    FROM
    (
        SELECT
            multiIf(further.into != '', further.into, raw.into != '', raw.into, raw.deal) AS deal,
            max(raw.until) AS until,
            groupArrayArray(raw.names) AS names,
            maxMap(arrayConcat(raw.said.1, if(raw.into = '', [], [concat('deal ', raw.deal)])), arrayConcat(raw.said.2, if(raw.into = '', [], [1]))) AS said
        FROM
        (
            SELECT
                deal,
                argMaxIf(if(kind = 'retracted', attrs['into'], ''), (at, received_at, id), kind != 'assigned') AS into,
                argMaxIf(multiIf(
                    kind = 'retracted', toDateTime64(0, 3, 'UTC'),
                    attrs['status'] IN ('', 'open'), toDateTime64('2299-12-31 00:00:00', 3, 'UTC'),
                    coalesce(parseDateTime64BestEffortOrNull(attrs['closed_at'], 3, 'UTC'), toDateTime64('2299-12-31 00:00:00', 3, 'UTC'))), (at, received_at, id), kind != 'assigned') AS until,
                argMaxIf(splitByChar(' ', concat(attrs['contacts'], ' ', account)), (at, received_at, id), kind = 'deal') AS names,
                maxMapIf([multiIf(contact != '', contact, account != '', toString(account), share)], [toUnixTimestamp64Milli(at) * 2 + (attrs['not'] != 'yes')], kind = 'assigned' AND attrs['holdout'] = '') AS said
            FROM facts(as_of = {as_of:DateTime64(3)})
            WHERE kind IN ('deal', 'retracted', 'assigned') AND deal != ''
            GROUP BY deal
        ) AS raw
        LEFT JOIN
        (
            SELECT deal, argMax(attrs['into'], (at, received_at, id)) AS into
            FROM facts(as_of = {as_of:DateTime64(3)})
            WHERE kind = 'retracted' AND deal != ''
            GROUP BY deal
        ) AS further ON further.deal = raw.into
        GROUP BY deal
        HAVING max(raw.until) > toDateTime64(0, 3, 'UTC')
    )
)
WHERE pair.1 != ''
GROUP BY party
