-- A row is one step of journeys of a run at one order: from one gram of contents (or kinds) to the next, a zero gram being the
-- start or the end, with how many won and lost deals made it and what the won ones among them were worth. Negative values count as 0.
WITH (SELECT groupArray(player) FROM (SELECT if({order:UInt8} = 1, no, toUInt32(indexOf({players:Array(String)}, toString(kind)))) AS player FROM snapshot_names WHERE snapshot = {snapshot:String} AND what = 'content' ORDER BY no)) AS players
SELECT step.1 AS from, step.2 AS to, toInt64(countIf(won)) AS conversions, toInt64(countIf(NOT won)) AS nulls, toInt64(least(sumIf(toInt128(greatest(value, 0)), won), toInt128(9223372036854775807))) AS value
FROM
(
    SELECT
        won, value,
        arrayMap(x -> players[x.3], path) AS seen,
        arrayMap(i -> arrayResize(arraySlice(seen, i, {order:UInt8}), 3), range(1, greatest(length(seen), {order:UInt8}) - {order:UInt8} + 2)) AS grams,
        [toUInt32(0), toUInt32(0), toUInt32(0)] AS nothing,
        arrayJoin(if(empty(seen), [(nothing, nothing)], arrayZip(arrayPushFront(grams, nothing), arrayPushBack(grams, nothing)))) AS step
    FROM run_paths
    WHERE run = {run:String}
)
GROUP BY from, to
