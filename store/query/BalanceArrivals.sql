-- The only row is what became of the entries that were loaded by the time their partitions stood at the cut:
-- how many entries, how many events, revisions and further copies they were. loaded are the events of all
-- entries, later ones included; former the entries of earlier lives of the streams. Each count reads the table
-- in its own order, so that none needs memory for all events.
WITH
    epoch != {epochs:Array(String)}[partition + 1] OR (ms, seq) <= ({ms:Array(UInt64)}[partition + 1], {seq:Array(UInt64)}[partition + 1]) AS cut,
    (SELECT (count(), countIf(reached)) FROM (SELECT max(cut) AS reached FROM arrivals GROUP BY id)) AS ids,
    (SELECT count() FROM (SELECT 1 FROM arrivals WHERE cut GROUP BY id, revision)) AS versions,
    (SELECT (count(), countIf(epoch != {epochs:Array(String)}[partition + 1])) FROM arrivals FINAL WHERE cut) AS places
SELECT
    places.1                       AS entries,
    ids.2                          AS events,
    toUInt64(versions - ids.2)     AS revisions,
    toUInt64(places.1 - versions)  AS duplicates,
    ids.1                          AS loaded,
    places.2                       AS former
SETTINGS optimize_aggregation_in_order = 1, max_threads = 1
