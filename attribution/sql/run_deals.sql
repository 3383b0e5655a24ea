-- A row is one deal as this run knew it. The source of the first contact that has one stands where the deal has none. path is of
-- the touches' IDs alone: their contents have other numbers in other runs.
INSERT INTO run_deals (run, deal, status, value, reason, closed_at, owner, team, source, segment, size, stage, domain, touches, path)
SELECT
    {run:String}, known.name, status, known.value,
    if(status = 'won', reason, ''),
    fromUnixTimestamp64Milli(closed_ms, 'UTC'),
    owner, team, if(known.source != '', known.source, leads.source), segment, size,
    if(last.stage != '' AND (known.stage = '' OR last.received_ms > registered_ms), last.stage, known.stage),
    known.domain,
    paths.touches, paths.path
FROM snapshot_deals AS known
LEFT JOIN (SELECT deal, source FROM snapshot_leads WHERE snapshot = {snapshot:String}) AS leads ON leads.deal = known.deal
LEFT JOIN (SELECT deal, toUInt32(length(own.path)) AS touches, cityHash64(arrayMap(x -> x.2, own.path)) AS path FROM run_paths AS own WHERE run = {run:String}) AS paths ON paths.deal = known.deal
LEFT JOIN (
    -- a number compares much faster than the two that it is made of
    SELECT deal, argMax(stage, bitShiftLeft(toUInt256(at_ms), 128) + reinterpretAsUInt128(reverse(id))) AS stage, argMax(received_ms, bitShiftLeft(toUInt256(at_ms), 128) + reinterpretAsUInt128(reverse(id))) AS received_ms
    FROM snapshot_stages
    WHERE snapshot = {snapshot:String}
    GROUP BY deal
) AS last ON last.deal = known.deal
WHERE snapshot = {snapshot:String}
    AND (status NOT IN ('won', 'lost') OR closed_ms = 0 OR ({from_ms:Int64} = 0 OR closed_ms >= {from_ms:Int64}) AND ({to_ms:Int64} = 0 OR closed_ms < {to_ms:Int64}))
SETTINGS max_insert_threads = 4
