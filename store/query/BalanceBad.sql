-- The only row is how many entries had become bad by the time their partitions stood at the cut, and how many
-- of these were of earlier lives of the streams.
SELECT
    countIf(epoch != {epochs:Array(String)}[partition + 1] OR (ms, seq) <= ({ms:Array(UInt64)}[partition + 1], {seq:Array(UInt64)}[partition + 1])) AS bad,
    countIf(epoch != {epochs:Array(String)}[partition + 1]) AS former
FROM bad_entries FINAL
