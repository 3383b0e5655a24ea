-- A row is one deal in a snapshot. Times are in milliseconds since 1970, 0 if not known; entered are the stages it entered, in order.
CREATE TABLE IF NOT EXISTS snapshot_deals
(
    snapshot   String,
    no         UInt32,
    deal       String,
    domain     String,
    status     LowCardinality(String),
    value      Int64,
    reason     LowCardinality(String),
    created_ms Int64,
    closed_ms  Int64,
    owner      LowCardinality(String),
    team       LowCardinality(String),
    source     LowCardinality(String),
    segment    LowCardinality(String),
    size       LowCardinality(String),
    stage      LowCardinality(String),
    contacts   Array(String),
    entered    Array(Tuple(at_ms Int64, stage LowCardinality(String)))
)
ENGINE = MergeTree
PARTITION BY snapshot
ORDER BY no
