-- The only row is what became of the entries that were loaded by the time their partitions stood at the cut:
-- how many entries, how many events, revisions and further copies they were. loaded are the events of all
-- entries, later ones included; former the entries of earlier lives of the streams.
SELECT
    sum(entries)                AS entries,
    countIf(entries > 0)        AS events,
    sum(revisions - (revisions > 0)) AS revisions,
    sum(entries - revisions)    AS duplicates,
    count()                     AS loaded,
    sum(former)                 AS former
FROM
(
    SELECT
        uniqExactIf(revision, cut)                         AS revisions,
        uniqExactIf((epoch, partition, ms, seq), cut)      AS entries,
        uniqExactIf((epoch, partition, ms, seq), epoch != {epoch:String}) AS former
    FROM
    (
        SELECT *, epoch != {epoch:String} OR (ms, seq) <= ({ms:Array(UInt64)}[partition + 1], {seq:Array(UInt64)}[partition + 1]) AS cut
        FROM arrivals
    )
    GROUP BY id
)
SETTINGS optimize_aggregation_in_order = 1
