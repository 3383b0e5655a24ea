-- A row is the placebo's two-by-two table of one content and one stratum, stage and segment: of compared entries from an earlier
-- stage whose deal had not seen the content before, how many saw it by the landmark, and in how many the stage before took at most
-- four weeks, which the content cannot have changed. The others had not seen it by then: all less those.
WITH
    entries AS
    (
        SELECT stage, segment, before = 'fast' AS hit, arraySlice(contents, 1, at_landmark) AS contents, at_entry
        FROM lift_entries
        WHERE run = {run:String} AND known AND before != 'none'
    ),
    everyone AS
    (
        SELECT stage, segment, count() AS n, countIf(hit) AS hits
        FROM entries
        GROUP BY stage, segment
    ),
    saw AS
    (
        SELECT content, stage, segment, countIf(i > at_entry) AS exposed, countIf(i > at_entry AND hit) AS exposed_hits, count() AS n, countIf(hit) AS hits
        FROM entries
        ARRAY JOIN contents AS content, arrayEnumerate(contents) AS i
        GROUP BY content, stage, segment
    )
SELECT s.content, s.stage, s.segment, toInt64(s.exposed), toInt64(s.exposed_hits), toInt64(e.n - s.n), toInt64(e.hits - s.hits)
FROM saw AS s
INNER JOIN everyone AS e ON e.stage = s.stage AND e.segment = s.segment
WHERE s.exposed > 0
ORDER BY s.content, s.stage, s.segment
