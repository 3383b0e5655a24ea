-- A row is one entry of the streams that became an event, so that what was accepted can be counted
-- against what is stored: the same event in two entries is one event and one duplicate. entry is its
-- place: the streams' life, the partition, and the ID that Redis gave.
CREATE TABLE IF NOT EXISTS arrivals
(
    id        FixedString(16),
    revision  UInt16,
    epoch     LowCardinality(String),
    partition UInt8,
    ms        UInt64,
    seq       UInt64
)
ENGINE = ReplacingMergeTree
ORDER BY (id, revision, epoch, partition, ms, seq)
