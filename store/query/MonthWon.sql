-- A row is the deals won in a period of which content was, or was not, seen by the rules of credit before the close (seen), and was, or
-- was not, part in any way (part): how many, what they are worth in minor units of the reporting currency, each rounded, and how
-- many have no amount or no rate.
SELECT seen, part, count(), sum(units), countIf(NOT valued)
FROM
(
    SELECT
        w.deal AS deal, w.valued AS valued, w.units AS units,
        max(t.deal != '' AND t.at <= w.closed_at AND t.kind IN {kinds:Array(String)} AND ({window:Int64} = 0 OR t.at >= w.closed_at - toIntervalMillisecond({window:Int64}))) AS seen,
        max(t.deal != '' AND t.at <= w.closed_at) AS part
    FROM
    (
        SELECT
            deal, closed_at,
            upper(if(currency = '', {currency:String}, toString(currency))) AS priced_in,
            {rates:Map(String, Decimal(38, 12))} AS rates,
            amount IS NOT NULL AND mapContains(rates, priced_in) AS valued,
            if(valued, toInt64(round(toDecimal256(assumeNotNull(amount), 4) * toDecimal256(rates[priced_in], 12) * {minor:Int64})), 0) AS units
        FROM deals(as_of = {as_of:DateTime64(3)})
        WHERE status = 'won' AND closed_at > toDateTime64(0, 3, 'UTC') AND closed_at >= {from:DateTime64(3)} AND closed_at < {to:DateTime64(3)}
    ) AS w
    LEFT JOIN
    (
        SELECT deal, at, kind FROM deal_events(as_of = {as_of:DateTime64(3)}) AS e
        WHERE content != '' AND level >= {level:UInt8} AND at < {to:DateTime64(3)} AND deal IN (SELECT deal FROM deals(as_of = {as_of:DateTime64(3)}) WHERE status = 'won' AND closed_at >= {from:DateTime64(3)} AND closed_at < {to:DateTime64(3)})
    ) AS t ON t.deal = w.deal
    GROUP BY deal, valued, units
)
GROUP BY seen, part
