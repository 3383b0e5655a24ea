-- A row is what the run that was just computed is about; left_out is every won deal of the period that got no credits.
SELECT
    (SELECT count() FROM facts(as_of = {as_of:DateTime64(3)})) AS events,
    deals,
    touches,
    toUInt64(won - deals) AS left_out
FROM
(
    SELECT uniqExact(deal) AS deals, uniqExactIf((touch, content), content != '') AS touches
    FROM credits
    WHERE run = {run:String}
) AS divided
CROSS JOIN
(
    SELECT countIf(closed_ms = 0 OR ({from_ms:Int64} = 0 OR closed_ms >= {from_ms:Int64}) AND ({to_ms:Int64} = 0 OR closed_ms < {to_ms:Int64})) AS won
    FROM (SELECT toUnixTimestamp64Milli(closed_at) AS closed_ms FROM deals(as_of = {as_of:DateTime64(3)}) WHERE status = 'won')
) AS all_won
