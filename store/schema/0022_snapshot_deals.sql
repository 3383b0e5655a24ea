-- A row is one deal in a snapshot. deal is xxHash64 of its name, that is its ID. Times are in milliseconds since 1970, 0 if not
-- known; until_ms is when it closes, far in the future while it is open, and 0 if only stages are known of it. stage is the one that
-- its registration names, which we learned at registered_ms.
CREATE TABLE IF NOT EXISTS snapshot_deals
(
    snapshot      String,
    deal          UInt64,
    name          String,
    domain        String,
    status        LowCardinality(String),
    value         Int64,
    reason        LowCardinality(String),
    created_ms    Int64,
    closed_ms     Int64,
    until_ms      Int64,
    owner         LowCardinality(String),
    team          LowCardinality(String),
    source        LowCardinality(String),
    segment       LowCardinality(String),
    size          LowCardinality(String),
    stage         LowCardinality(String),
    registered_ms Int64,
    contacts      Array(String)
)
ENGINE = MergeTree
PARTITION BY snapshot
ORDER BY deal
SETTINGS max_bytes_to_merge_at_max_space_in_pool = 1, max_bytes_to_merge_at_min_space_in_pool = 1 -- it goes before a merge would be worth its while
