-- A row is one complete attribution run. It is written after the run's credits, so that whoever finds
-- a run here finds all of it.
CREATE TABLE IF NOT EXISTS runs
(
    id          String,
    models      Array(LowCardinality(String)),
    version     String,
    config      String,
    agents      LowCardinality(String),
    as_of       DateTime64(3, 'UTC'),
    from_at     DateTime64(3, 'UTC'),
    to_at       DateTime64(3, 'UTC'),
    started_at  DateTime64(3, 'UTC'),
    finished_at DateTime64(3, 'UTC'),
    events      UInt64,
    deals       UInt64,
    touches     UInt64,
    left_out    UInt64,
    currency    LowCardinality(String),
    digits      UInt8
)
ENGINE = ReplacingMergeTree
ORDER BY id
