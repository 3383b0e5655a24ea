-- A row is one closed deal of a run with its path: the touches that may earn credit, in order. It goes when the run is complete.
CREATE TABLE IF NOT EXISTS run_paths
(
    run            String,
    deal           UInt32,
    won            Bool,
    value          Int64,
    lead_ms        Int64,
    opportunity_ms Int64,
    path           Array(Tuple(at_ms Int64, id FixedString(16), content UInt32, rep UInt32, kind LowCardinality(String), rule LowCardinality(String), confidence UInt16))
)
ENGINE = MergeTree
PARTITION BY run
ORDER BY deal
