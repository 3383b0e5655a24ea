-- A row is one deal as one run knew it: what pages group and filter credits by, and what a later run is compared with.
-- value is in minor units of the run's currency; reason says why it could not be divided, '' if it was or need not be.
-- path hashes what was eligible for credit; touches counts it.
CREATE TABLE IF NOT EXISTS run_deals
(
    run       String,
    deal      String,
    status    LowCardinality(String),
    value     Int64,
    reason    LowCardinality(String),
    closed_at DateTime64(3, 'UTC'),
    owner     LowCardinality(String),
    team      LowCardinality(String),
    source    LowCardinality(String),
    segment   LowCardinality(String),
    size      LowCardinality(String),
    stage     LowCardinality(String),
    domain    LowCardinality(String),
    touches   UInt32,
    path      UInt64
)
ENGINE = MergeTree
PARTITION BY run
ORDER BY deal
