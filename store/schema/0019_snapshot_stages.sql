-- A row is one stage that one deal of a snapshot entered, which we learned at received_ms.
CREATE TABLE IF NOT EXISTS snapshot_stages
(
    snapshot    String,
    deal        UInt64,
    at_ms       Int64,
    id          FixedString(16),
    stage       LowCardinality(String),
    received_ms Int64
)
ENGINE = MergeTree
PARTITION BY snapshot
ORDER BY (deal, at_ms, id)
SETTINGS max_bytes_to_merge_at_max_space_in_pool = 1, max_bytes_to_merge_at_min_space_in_pool = 1 -- it goes before a merge would be worth its while
