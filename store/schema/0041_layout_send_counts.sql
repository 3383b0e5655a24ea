-- A row is one row of the view send_counts as of the time of one layout.
CREATE TABLE IF NOT EXISTS layout_send_counts
(
    layout     String,
    what       LowCardinality(String),
    key        LowCardinality(String),
    counted_at UInt8,
    stale      UInt64,
    observable UInt64,
    observed   UInt64
)
ENGINE = MergeTree
PARTITION BY layout
ORDER BY (what, key, counted_at)
