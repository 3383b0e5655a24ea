-- A row is one closed deal of a run as a journey: the key that its weights are drawn by, its contents (or kinds) by number, how it
-- ended and what it was worth. Of every so many deals one is taken.
WITH (SELECT groupArray(player) FROM (SELECT if({order:UInt8} = 1, no, toUInt32(indexOf({players:Array(String)}, toString(kind)))) AS player FROM snapshot_names WHERE snapshot = {snapshot:String} AND what = 'content' ORDER BY no)) AS numbers
SELECT deal AS key, arrayMap(x -> numbers[x.3], path) AS contents, won, greatest(value, 0) AS value
FROM run_paths
WHERE run = {run:String} AND deal % {every:UInt64} = 0
