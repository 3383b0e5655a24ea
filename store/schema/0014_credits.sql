-- A row is what one touch earned of one deal under one model of one run; the row without a touch is
-- the deal's unattributed part. value is in minor units (cents) of the run's currency and adds up to the deal.
-- rule and confidence say how the touch was tied to the deal. A run is a partition, so that it goes at once.
CREATE TABLE IF NOT EXISTS credits
(
    run        String,
    model      LowCardinality(String),
    deal       String,
    touch      FixedString(16),
    content    LowCardinality(String),
    rep        LowCardinality(String),
    kind       LowCardinality(String),
    rule       LowCardinality(String),
    confidence Float32,
    share      Float64,
    value      Int64
)
ENGINE = MergeTree
PARTITION BY run
ORDER BY (model, content)
