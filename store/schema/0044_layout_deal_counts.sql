-- A row is one row of the view deal_counts as of the time of one layout.
CREATE TABLE IF NOT EXISTS layout_deal_counts
(
    layout     String,
    deal       String,
    counted_at UInt8,
    touches    UInt64,
    last_touch DateTime64(3, 'UTC'),
    last_mail  DateTime64(3, 'UTC')
)
ENGINE = MergeTree
PARTITION BY layout
ORDER BY (counted_at, deal)
