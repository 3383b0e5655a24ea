-- A row is one deal of a list in its order, with how much touched it at a level of agents. They are those of
-- reps, each from a first time until a last, in milliseconds, 0 for no bound, or, with every, of all. Without an order they are those after an ID.
SELECT known.deal, name, account, domain, attrs['amount'], currency, stage, status, owner, created_at, closed_at, loss_reason, chosen.touches, chosen.last_touch
FROM deals(as_of = {as_of:DateTime64(3)}) AS known
INNER JOIN
(
    SELECT deal, touches, last_touch, rowNumberInAllBlocks() AS place
    FROM
    (
        -- Of all deals only what they are ordered by is read: a constant condition of if, but not of multiIf, leaves the other branches out.
        SELECT d.deal AS deal, c.touches AS touches, c.last_touch AS last_touch
        FROM
        (
            SELECT *, toUnixTimestamp64Milli(closed_at) AS closed_ms
            FROM deals(as_of = {as_of:DateTime64(3)}) AS s
            WHERE ({order:String} != '' OR deal > {after:String}) AND ({every:Bool} OR arrayExists((rep, first, last) -> rep = lower(owner) AND if(closed_ms = 0, last = 0, closed_ms >= first AND (last = 0 OR closed_ms < last)), {reps:Array(String)}, {firsts:Array(Int64)}, {lasts:Array(Int64)}))
                AND ({from_ms:Int64} = 0 AND {to_ms:Int64} = 0 OR closed_ms > 0 AND closed_ms >= {from_ms:Int64} AND ({to_ms:Int64} = 0 OR closed_ms < {to_ms:Int64}))
                AND ({status:String} = '' OR status = {status:String} OR {status:String} = 'open' AND status NOT IN ('won', 'lost'))
        ) AS d
        LEFT JOIN (SELECT deal, touches, last_touch FROM deal_counts(as_of = {as_of:DateTime64(3)}) AS k WHERE counted_at = {level:UInt8}) AS c ON c.deal = d.deal
        ORDER BY
            if({order:String} = '-touched', -toUnixTimestamp64Milli(c.last_touch), if({order:String} = 'touched', toUnixTimestamp64Milli(c.last_touch),
                if({order:String} = '-closed', -closed_ms, if({order:String} = 'closed', closed_ms,
                if({order:String} = '-touches', -toInt64(c.touches), if({order:String} = 'touches', toInt64(c.touches), 0)))))),
            if({order:String} = '-value', -toFloat64OrZero(attrs['amount']), if({order:String} = 'value', toFloat64OrZero(attrs['amount']), 0.)),
            if({order:String} = 'name', lower(name), if({order:String} = 'account', lower(if(account != '', account, domain)),
                if({order:String} = 'status', lower(status), if({order:String} = 'stage', lower(stage), if({order:String} = 'owner', lower(owner), ''))))),
            if({order:String} = '-name', lower(name), if({order:String} = '-account', lower(if(account != '', account, domain)),
                if({order:String} = '-status', lower(status), if({order:String} = '-stage', lower(stage), if({order:String} = '-owner', lower(owner), ''))))) DESC,
            d.deal
        LIMIT {limit:UInt64}
    )
) AS chosen ON chosen.deal = known.deal
ORDER BY place
