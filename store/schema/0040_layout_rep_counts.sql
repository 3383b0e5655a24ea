-- A row is one row of the view rep_counts as of the time of one layout.
CREATE TABLE IF NOT EXISTS layout_rep_counts
(
    layout     String,
    rep        LowCardinality(String),
    counted_at UInt8,
    sent       UInt64,
    contents   UInt64,
    reached    UInt64,
    clicked    UInt64,
    replied    UInt64
)
ENGINE = MergeTree
PARTITION BY layout
ORDER BY (rep, counted_at)
