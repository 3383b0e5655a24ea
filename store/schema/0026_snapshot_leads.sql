-- A row is what the contacts on one deal say of where it came from: when the first of them became a
-- contact, in milliseconds since 1970 or 0, and the source of the first that has one.
CREATE TABLE IF NOT EXISTS snapshot_leads
(
    snapshot String,
    deal     UInt64,
    lead_ms  Int64,
    source   LowCardinality(String)
)
ENGINE = MergeTree
PARTITION BY snapshot
ORDER BY deal
SETTINGS max_bytes_to_merge_at_max_space_in_pool = 1, max_bytes_to_merge_at_min_space_in_pool = 1 -- it goes before a merge would be worth its while
