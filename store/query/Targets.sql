-- A row is one registered content, or the one that a token's 40 bits (in hex) stand for, with its state, from which
-- its target is read, and all its states in order with when each began: the newest is the last.
SELECT content, states[-1].4 AS attrs, arrayMap(x -> x.1, states) AS since,
    arrayMap(x -> [x.4['version'], x.4['url'], x.4['other_urls'], x.4['file'], x.4['file_name'], x.4['file_size']], states) AS were
FROM
(
    SELECT content, arraySort(x -> (x.1, x.2, x.3), groupArray((at, received_at, id, attrs))) AS states
    FROM facts(as_of = {as_of:DateTime64(3)})
    WHERE kind = 'content' AND ({key:String} = '' OR substring(SHA256(content), 1, 5) = unhex({key:String}))
    GROUP BY content
)
ORDER BY content
