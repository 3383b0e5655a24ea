-- A row is one stage entry of a deal as one run saw it: the first time that the deal entered the stage, and what became of it. Lifts,
-- placebos and hazards are sums over it. deal is its hash in the snapshot; age that of the deal at the entry, in classes
-- of two weeks. contents are those that the deal had seen before it left the stage, by when it first saw them: at_entry is how many
-- before the entry, at_landmark how many by the landmark, and seen the week of the stage for each, -1 before.
--
-- known is whether the deal was still in the stage at the landmark and the horizon after that is over, advanced whether it went on to
-- a later stage or was won within it; won_known and won say the same of winning. before says how long the stage before had taken:
-- fast is four weeks at most, slow more, none that it did not come from an earlier stage. weeks is how many weeks it was at risk in
-- the stage, the first being 0, and ended how the last of them ended: advanced, lost, or unknown.
CREATE TABLE IF NOT EXISTS lift_entries
(
    run         String,
    deal        UInt64,
    stage       LowCardinality(String),
    segment     LowCardinality(String),
    size        LowCardinality(String),
    owner       LowCardinality(String),
    team        LowCardinality(String),
    source      LowCardinality(String),
    age         UInt8,
    known       Bool,
    advanced    Bool,
    won_known   Bool,
    won         Bool,
    before      Enum8('none' = 0, 'slow' = 1, 'fast' = 2),
    weeks       UInt16,
    ended       Enum8('unknown' = 0, 'advanced' = 1, 'lost' = 2),
    contents    Array(LowCardinality(String)),
    seen        Array(Int16),
    at_entry    UInt16,
    at_landmark UInt16
)
ENGINE = MergeTree
PARTITION BY run
ORDER BY (stage, segment)
