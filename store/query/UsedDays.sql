-- A row is one day of a period, in a zone, and how many registered contents a rep sent on it for the first time in the period.
SELECT toDate(first_at, {zone:String}) AS day, count()
FROM
(
    SELECT content, min(at) AS first_at
    FROM resolved(as_of = {as_of:DateTime64(3)})
    WHERE kind = 'sent' AND content != '' AND rep != '' AND at >= {from:DateTime64(3)} AND at < {to:DateTime64(3)}
        AND content IN (SELECT content FROM contents(as_of = {as_of:DateTime64(3)}))
    GROUP BY content
)
GROUP BY day
ORDER BY day
