-- A row is one entry of the streams that could not become an event, kept with the reason and its raw
-- bytes. replayed_at is when it was handed in once more; the entry stays, for it was accepted.
CREATE TABLE IF NOT EXISTS bad_entries
(
    epoch       LowCardinality(String),
    partition   UInt8,
    ms          UInt64,
    seq         UInt64,
    at          DateTime64(3, 'UTC'),
    stage       LowCardinality(String),
    reason      String,
    origin      LowCardinality(String),
    raw         String,
    replayed_at DateTime64(3, 'UTC')
)
ENGINE = ReplacingMergeTree(replayed_at)
ORDER BY (epoch, partition, ms, seq)
