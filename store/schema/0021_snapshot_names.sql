-- A row is one content, rep or deal with its number in one snapshot: in the order of the names, so that numbers sort as names do.
-- A snapshot is what was known at one time, laid out for runs; it goes when the runs that need it are complete.
CREATE TABLE IF NOT EXISTS snapshot_names
(
    snapshot String,
    what     LowCardinality(String),
    no       UInt32,
    name     String,
    kind     LowCardinality(String)
)
ENGINE = MergeTree
PARTITION BY snapshot
ORDER BY (what, no)
SETTINGS max_bytes_to_merge_at_max_space_in_pool = 1, max_bytes_to_merge_at_min_space_in_pool = 1 -- it goes before a merge would be worth its while
