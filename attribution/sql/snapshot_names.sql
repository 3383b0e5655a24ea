-- A row is one content or rep with its number in the order of names, from 1; events has how many events were known as its number.
-- Contents that were not registered, or without a kind, are of the kind (none).
INSERT INTO snapshot_names (snapshot, what, no, name, kind)
SELECT {snapshot:String}, what, if(what = 'events', toUInt32(sum(n)), row_number() OVER (PARTITION BY what ORDER BY name)), name, if(max(sort) = '', '(none)', max(sort))
FROM
(
    SELECT arrayJoin([('content', toString(content), toUInt64(0)), ('rep', toString(rep), toUInt64(0)), ('events', 'all', events)]) AS named, named.1 AS what, named.2 AS name, named.3 AS n, '' AS sort
    FROM (SELECT content, rep, count() AS events FROM facts(as_of = {as_of:DateTime64(3)}) GROUP BY content, rep)
    UNION ALL
    SELECT ('content', content, 0), 'content', content, 0, kind FROM contents(as_of = {as_of:DateTime64(3)})
)
WHERE name != ''
GROUP BY what, name
