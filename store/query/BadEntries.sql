-- A row is one entry of the streams that could not become an event and was not handed in again, newest first.
SELECT epoch, partition, ms, seq, at, stage, reason, origin, raw
FROM bad_entries FINAL
WHERE replayed_at = toDateTime64(0, 3) AND raw != '[expired]' AND (length({places:Array(String)}) = 0 OR has({places:Array(String)}, concat(epoch, '-', toString(partition), '-', toString(ms), '-', toString(seq))))
ORDER BY at DESC, epoch, partition, ms, seq
LIMIT {limit:UInt64}
