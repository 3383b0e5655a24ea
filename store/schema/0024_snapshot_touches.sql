-- A row is one touch of one deal in a snapshot, by number of deal and content. burst is the same for touches of one kind,
-- content and contacts; level is the strictest level of agents that counts it; confidence is in thousandths.
CREATE TABLE IF NOT EXISTS snapshot_touches
(
    snapshot   String,
    deal       UInt32,
    at_ms      Int64,
    id         FixedString(16),
    content    UInt32,
    rep        UInt32,
    burst      UInt64,
    kind       LowCardinality(String),
    level      UInt8,
    rule       LowCardinality(String),
    confidence UInt16
)
ENGINE = MergeTree
PARTITION BY snapshot
ORDER BY (deal, at_ms, id, content)
