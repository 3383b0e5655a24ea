-- A row is one closed deal of a run with its path: the touches that may earn credit, in order. It goes when the run is complete.
CREATE TABLE IF NOT EXISTS run_paths
(
    run            String,
    deal           UInt64,
    won            Bool,
    value          Int64,
    lead_ms        Int64,
    opportunity_ms Int64,
    path           Array(Tuple(at_ms Int64, id FixedString(16), content UInt32, rep UInt32, kind LowCardinality(String), rule LowCardinality(String), confidence UInt16))
)
ENGINE = MergeTree
PARTITION BY run
ORDER BY deal
SETTINGS max_bytes_to_merge_at_max_space_in_pool = 1, max_bytes_to_merge_at_min_space_in_pool = 1 -- it goes before a merge would be worth its while
