-- A row is one deal with one thing wrong (what), a detail of it, and how many deals have the same wrong. The won ones,
-- which money depends on, are first, then those that closed last.
SELECT wrong.1, deal, name, status, wrong.2, count() OVER (PARTITION BY wrong.1)
FROM
(
    SELECT
        deal, name, status, closed_at,
        arrayJoin(arrayFilter(w -> w.3,
        [
            ('no_amount',             '', amount IS NULL),
            ('negative_amount',       concat(attrs['amount'], ' ', currency), ifNull(amount < 0, false)),
            ('no_rate',               concat(attrs['amount'], ' ', currency), amount IS NOT NULL AND currency != '' AND NOT has({currencies:Array(String)}, upper(currency))),
            ('no_closing_date',       '', status IN ('won', 'lost') AND closed_at = toDateTime64(0, 3, 'UTC')),
            ('closed_before_created', concat(toString(toDate(created_at)), ', ', toString(toDate(closed_at))), closed_at != toDateTime64(0, 3, 'UTC') AND toDate(closed_at) < toDate(created_at)),
            ('closed_in_future',      toString(toDate(closed_at)), status IN ('won', 'lost') AND closed_at > {tomorrow:DateTime64(3)})
        ])) AS wrong
    FROM deals(as_of = {as_of:DateTime64(3)})
)
ORDER BY wrong.1, status = 'won' DESC, closed_at DESC, deal
LIMIT {limit:UInt64} BY wrong.1
