-- A row is the two-by-two table of one content and one stratum of similar stage entries, for one outcome: how many had seen it by
-- the landmark and how many of these advanced (or were won), and the same of those that had not. class is that of how many other
-- contents they had seen: 0, 1, 2-3, 4-7, 8-15, 16 and more. So those that had not seen it are all that had seen as many contents
-- as the others without it, less those that had seen it among as many.
WITH
    n -> toUInt8(multiIf(n < 2, n, n < 4, 2, n < 8, 3, n < 16, 4, 5)) AS classOf,
    -- A row is one stage entry that is compared, with what was seen by the landmark.
    entries AS
    (
        SELECT stage, segment, age, if({outcome:String} = 'won', won, advanced) AS hit, arraySlice(contents, 1, at_landmark) AS contents, at_landmark AS had
        FROM lift_entries
        WHERE run = {run:String} AND if({outcome:String} = 'won', won_known, known)
            AND ({stage:String} = '' OR stage = {stage:String}) AND ({segment:String} = '' OR segment = {segment:String}) AND ({size:String} = '' OR size = {size:String})
            AND ({owner:String} = '' OR lower(owner) = lower({owner:String})) AND ({team:String} = '' OR team = {team:String}) AND ({source:String} = '' OR source = {source:String})
    ),
    -- A row is one stratum with all its entries.
    everyone AS
    (
        SELECT stage, segment, age, classOf(had) AS class, count() AS n, countIf(hit) AS hits
        FROM entries
        GROUP BY stage, segment, age, class
    ),
    -- A row is how many entries had seen one content, with and without counting it among what they had seen.
    saw AS
    (
        SELECT content, stage, segment, age, classOf(had) AS with, classOf(had - 1) AS without, count() AS n, countIf(hit) AS hits
        FROM entries
        ARRAY JOIN contents AS content
        WHERE {content:String} = '' OR content = {content:String}
        GROUP BY content, stage, segment, age, with, without
    ),
    -- A row is one content in one stratum: its entries there as exposed ones, and as ones that are no controls.
    placed AS
    (
        SELECT content, stage, segment, age, part.1 AS class, sumIf(n, part.2) AS exposed, sumIf(hits, part.2) AS exposed_hits, sumIf(n, NOT part.2) AS taken, sumIf(hits, NOT part.2) AS taken_hits
        FROM saw
        ARRAY JOIN [(without, true), (with, false)] AS part
        GROUP BY content, stage, segment, age, class
    )
SELECT p.content, p.stage, p.segment, p.age, p.class, toInt64(p.exposed), toInt64(p.exposed_hits), toInt64(e.n - p.taken), toInt64(e.hits - p.taken_hits)
FROM placed AS p
LEFT JOIN everyone AS e ON e.stage = p.stage AND e.segment = p.segment AND e.age = p.age AND e.class = p.class
WHERE p.exposed > 0
ORDER BY p.content, p.stage, p.segment, p.age, p.class
