-- The only row is what became of the entries that were loaded by the time their partitions stood at the cut:
-- how many entries, how many events, revisions and further copies they were. loaded are the events of all
-- entries, later ones included; former the entries of earlier lives of the streams.
SELECT
    sum(places)                                AS entries,
    countIf(places > 0)                        AS events,
    toUInt64(sum(versions) - countIf(versions > 0)) AS revisions,
    toUInt64(sum(places) - sum(versions))      AS duplicates,
    count()                                    AS loaded,
    sum(earlier)                               AS former
FROM
(
    SELECT
        uniqExactIf(revision, cut)                         AS versions,
        uniqExactIf((epoch, partition, ms, seq), cut)      AS places,
        uniqExactIf((epoch, partition, ms, seq), epoch != {epoch:String}) AS earlier
    FROM
    (
        SELECT *, epoch != {epoch:String} OR (ms, seq) <= ({ms:Array(UInt64)}[partition + 1], {seq:Array(UInt64)}[partition + 1]) AS cut
        FROM arrivals
    )
    GROUP BY id
)
SETTINGS optimize_aggregation_in_order = 1
