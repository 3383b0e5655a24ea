-- A row is one day, in a zone, on which weekly reviews accepted leads, and how many of these were never accepted before. What a
-- review took back later does not count.
SELECT toDate(first_at, {zone:String}) AS day, count()
FROM
(
    SELECT contact, min(said_at) AS first_at
    FROM
    (
        SELECT contact, argMax(attrs['state'], (at, received_at, id)) AS state, minIf(at, attrs['state'] = 'accepted') AS said_at
        FROM facts(as_of = {as_of:DateTime64(3)})
        WHERE kind = 'decided' AND contact != '' AND attrs['week'] != ''
        GROUP BY contact, attrs['week']
    )
    WHERE state = 'accepted'
    GROUP BY contact
)
WHERE first_at >= {from:DateTime64(3)} AND first_at < {to:DateTime64(3)}
GROUP BY day
ORDER BY day
