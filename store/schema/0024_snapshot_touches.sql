-- A row is one touch of one deal in a snapshot, by deal and number of content. burst is the same for touches of one kind,
-- content and contacts; level is the strictest level of agents that counts it; confidence is in thousandths.
CREATE TABLE IF NOT EXISTS snapshot_touches
(
    snapshot   String,
    deal       UInt64,
    at_ms      Int64,
    id         FixedString(16),
    content    UInt32,
    rep        UInt32,
    burst      UInt64,
    kind       LowCardinality(String),
    level      UInt8,
    rule       Enum8('explicit' = 1, 'assigned' = 2, 'contact' = 3, 'account' = 4),
    confidence UInt16,
    undecided  UInt64
)
ENGINE = MergeTree
PARTITION BY snapshot
ORDER BY deal
SETTINGS max_bytes_to_merge_at_max_space_in_pool = 1, max_bytes_to_merge_at_min_space_in_pool = 1 -- it goes before a merge would be worth its while
