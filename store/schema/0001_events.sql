-- A row is one event as the pipe delivered it. Copies and older revisions of an event share its id;
-- version lets the newest revision win and, among its copies, the one received first, so that no
-- merge and no order of arrival changes what a report says. Read the view facts, never this table.
CREATE TABLE IF NOT EXISTS events
(
    id          FixedString(16),
    revision    UInt16,
    kind        LowCardinality(String),
    at          DateTime64(3, 'UTC'),
    received_at DateTime64(3, 'UTC'),
    revised_at  DateTime64(3, 'UTC'),
    source      LowCardinality(String),
    content     LowCardinality(String),
    share       String,
    message     String,
    contact     String,
    account     LowCardinality(String),
    rep         LowCardinality(String),
    deal        String,
    stage       LowCardinality(String),
    agent       LowCardinality(String),
    probability Float32,
    rules       Array(LowCardinality(String)),
    signal      LowCardinality(String),
    note        String,
    attrs       Map(LowCardinality(String), String),
    version     UInt64 MATERIALIZED bitShiftLeft(toUInt64(revision), 48) + (281474976710655 - toUnixTimestamp64Milli(received_at)),
    INDEX kinds kind TYPE bloom_filter(0.001) -- registrations lie together at the beginning: their ids have no time
)
ENGINE = ReplacingMergeTree(version)
ORDER BY id
