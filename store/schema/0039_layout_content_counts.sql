-- A row is one row of the view content_counts as of the time of one layout.
CREATE TABLE IF NOT EXISTS layout_content_counts
(
    layout     String,
    content    LowCardinality(String),
    counted_at UInt8,
    reps       UInt64,
    sent       UInt64,
    reached    UInt64,
    opened     UInt64,
    opens      UInt64,
    clicked    UInt64,
    clicks     UInt64,
    nameless   UInt64,
    replied    UInt64,
    machine    UInt64,
    deals      UInt64,
    won        UInt64,
    lost       UInt64,
    last_sent  DateTime64(3, 'UTC')
)
ENGINE = MergeTree
PARTITION BY layout
ORDER BY (content, counted_at)
