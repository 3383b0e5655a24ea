-- A row is one complete attribution run. It is written after all that the run found, so that whoever finds
-- a run here finds all of it. asked is whether a person asked for it; such runs are kept. reasons says, by model,
-- why a model has no result in it. inputs are counts of what went in, by name.
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
    digits      UInt8,
    asked       Bool,
    reasons     Map(LowCardinality(String), String),
    inputs      Map(LowCardinality(String), UInt64),
    settings    String,
    stages      Array(LowCardinality(String))
)
ENGINE = ReplacingMergeTree
ORDER BY id
