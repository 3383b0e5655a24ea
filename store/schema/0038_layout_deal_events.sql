-- A row is one row of the view deal_events as of the time of one layout.
CREATE TABLE IF NOT EXISTS layout_deal_events
(
    layout  String,
    deal    String,
    at      DateTime64(3, 'UTC'),
    kind    LowCardinality(String),
    level   UInt8,
    content LowCardinality(String),
    mail    UInt64,
    people  UInt64,
    once    UInt64
)
ENGINE = MergeTree
PARTITION BY layout
ORDER BY deal
SETTINGS index_granularity = 512 -- a deal has some dozens of rows
