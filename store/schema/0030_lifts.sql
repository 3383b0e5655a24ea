-- A row is what one run found of one content for one outcome, stage (advancing) or won, over all deals; with content empty it is
-- what the placebo says of the library. Rates and differences are 0 to 1. exposed and control count stage entries in strata that
-- have both; seen counts all that had seen it. Numbers that the data cannot bear are 0, see verdict.
CREATE TABLE IF NOT EXISTS lifts
(
    run              String,
    outcome          LowCardinality(String),
    content          LowCardinality(String),
    verdict          LowCardinality(String),
    sentence         String,
    seen             UInt64,
    exposed          UInt64,
    exposed_advanced UInt64,
    control          UInt64,
    control_advanced UInt64,
    with_rate        Float64,
    without_rate     Float64,
    lift             Float64,
    low              Float64,
    high             Float64,
    shrunk           Float64,
    p                Float64,
    q                Float64,
    mde              Float64,
    evalue           Float64,
    evalue_limit     Float64,
    hazard           Float64,
    hazard_low       Float64,
    hazard_high      Float64,
    lost             Float64,
    lost_low         Float64,
    lost_high        Float64,
    gain             Float64,
    gain_low         Float64,
    gain_high        Float64,
    hazard_note      String,
    placebo_z        Float64,
    placebo_p        Float64,
    placebo_mean     Float64,
    placebo_sd       Float64,
    placebo_banner   Bool,
    more_deals       UInt64
)
ENGINE = MergeTree
PARTITION BY run
ORDER BY (outcome, content)
