-- A row is one content or rep with its number in the order of names, from 1; events has how many events were known as its number.
-- Contents that were not registered, or without a kind, are of the kind (none).
INSERT INTO snapshot_names (snapshot, what, no, name, kind)
SELECT {snapshot:String}, what, if(what = 'events', toUInt32(max(events)), toUInt32(row_number() OVER (PARTITION BY what ORDER BY name))), name, if(max(sort) = '', '(none)', max(sort))
FROM
(
    SELECT arrayJoin(arrayConcat([('events', 'all', n)], arrayMap(x -> ('content', toString(x), 0), contents), arrayMap(x -> ('rep', toString(x), 0), reps))) AS named, named.1 AS what, named.2 AS name, named.3 AS events, '' AS sort
    FROM (SELECT groupUniqArray(content) AS contents, groupUniqArray(rep) AS reps, count() AS n FROM facts(as_of = {as_of:DateTime64(3)}) AS f)
    UNION ALL
    SELECT ('content', content, 0), 'content', content, 0, kind FROM contents(as_of = {as_of:DateTime64(3)}) AS c
)
WHERE name != ''
GROUP BY what, name
