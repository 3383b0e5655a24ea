-- A row is one day, in a zone, on which deals were won: how many; of how many companies it was the first; what they are worth in minor
-- units of the reporting currency, each deal rounded; the sum of the squares of that; and how many have no amount or no rate, which
-- are in neither. A deal of no company is a customer of its own.
SELECT toDate(closed_at, {zone:String}) AS day, count(), countIf(place = 1), sum(units), sum(toFloat64(units) * toFloat64(units)), countIf(NOT valued)
FROM
(
    SELECT
        closed_at,
        row_number() OVER (PARTITION BY multiIf(domain != '', toString(domain), account != '', lower(toString(account)), concat('deal ', deal)) ORDER BY closed_at, deal) AS place,
        upper(if(currency = '', {currency:String}, toString(currency))) AS priced_in,
        {rates:Map(String, Decimal(38, 12))} AS rates,
        amount IS NOT NULL AND mapContains(rates, priced_in) AS valued,
        if(valued, toInt64(round(toDecimal256(assumeNotNull(amount), 4) * toDecimal256(rates[priced_in], 12) * {minor:Int64})), 0) AS units
    FROM deals(as_of = {as_of:DateTime64(3)})
    WHERE status = 'won' AND closed_at > toDateTime64(0, 3, 'UTC') AND closed_at < {to:DateTime64(3)}
)
WHERE closed_at >= {from:DateTime64(3)}
GROUP BY day
ORDER BY day
