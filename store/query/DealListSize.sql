-- The only row is how many deals there are of a list, as in DealList whatever their status, and how many of these were won and lost.
SELECT count(), countIf(status = 'won'), countIf(status = 'lost')
FROM
(
    SELECT status, toUnixTimestamp64Milli(closed_at) AS closed_ms
    FROM deals(as_of = {as_of:DateTime64(3)}) AS s
    WHERE ({every:Bool} OR arrayExists((rep, first, last) -> rep = lower(owner) AND if(closed_ms = 0, last = 0, closed_ms >= first AND (last = 0 OR closed_ms < last)), {reps:Array(String)}, {firsts:Array(Int64)}, {lasts:Array(Int64)}))
        AND ({from_ms:Int64} = 0 AND {to_ms:Int64} = 0 OR closed_ms > 0 AND closed_ms >= {from_ms:Int64} AND ({to_ms:Int64} = 0 OR closed_ms < {to_ms:Int64}))
)
