-- A row is one row of the view tied, with contact and deal as in resolved as of the time of one layout.
CREATE TABLE IF NOT EXISTS layout_events
(
    layout      String,
    id          FixedString(16),
    at          DateTime64(3, 'UTC'),
    kind        LowCardinality(String),
    source      LowCardinality(String),
    content     LowCardinality(String),
    share       String,
    message     String,
    contact     String,
    contacts    Array(String),
    account     LowCardinality(String),
    rep         LowCardinality(String),
    deal        String,
    stage       LowCardinality(String),
    note        String,
    agent       LowCardinality(String),
    probability Float32,
    rules       Array(LowCardinality(String)),
    signal      LowCardinality(String),
    level       UInt8,
    led_to      LowCardinality(String),
    withheld    LowCardinality(String),
    deals       Array(String),
    rule        LowCardinality(String),
    confidence  Float32,
    person      UInt64,
    once        UInt64,
    -- a trail is of one contact, deal, company or link among all
    INDEX of_contacts contacts TYPE bloom_filter(0.001),
    INDEX of_deals deals TYPE bloom_filter(0.001),
    INDEX of_deal deal TYPE bloom_filter(0.001),
    INDEX of_account account TYPE bloom_filter(0.001),
    INDEX of_share share TYPE bloom_filter(0.001)
)
ENGINE = MergeTree
PARTITION BY layout
ORDER BY (toStartOfMonth(at), content, kind, at) -- what is asked for is of the last weeks, or of one content
SETTINGS index_granularity = 1024 -- a trail is some dozens of rows, here and there
