-- A row is what one touch earned of one deal under one model of one run; the row without a touch is
-- the deal's unattributed part. value is in minor units (cents) of the run's currency and adds up to the deal.
CREATE TABLE IF NOT EXISTS credits
(
    run     String,
    model   LowCardinality(String),
    deal    String,
    touch   FixedString(16),
    content LowCardinality(String),
    rep     LowCardinality(String),
    share   Float64,
    value   Int64
)
ENGINE = MergeTree
ORDER BY (run, model, content, deal)
