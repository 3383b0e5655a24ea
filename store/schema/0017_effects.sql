-- A row is what a data-driven model says of one player, a content or a kind of content, over all closed deals of one run:
-- its own aggregate, which does not add up to single deals. credit is in deals, value in minor units, effect is the part of
-- conversions that is lost without it (markov) or conversions per journey (shapley). Each with the ends of its interval.
CREATE TABLE IF NOT EXISTS effects
(
    run          String,
    model        LowCardinality(String),
    player       LowCardinality(String),
    credit       Float64,
    credit_low   Float64,
    credit_high  Float64,
    value        Int64,
    value_low    Int64,
    value_high   Int64,
    effect       Float64,
    effect_low   Float64,
    effect_high  Float64,
    value_effect Float64,
    error        Float64
)
ENGINE = MergeTree
PARTITION BY run
ORDER BY (model, player)
