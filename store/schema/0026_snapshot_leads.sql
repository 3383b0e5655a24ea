-- A row is what the contacts on one deal say of where it came from, by the deal's number: when the first of them became a
-- contact, in milliseconds since 1970 or 0, and the source of the first that has one.
CREATE TABLE IF NOT EXISTS snapshot_leads
(
    snapshot String,
    deal     UInt32,
    lead_ms  Int64,
    source   LowCardinality(String)
)
ENGINE = MergeTree
PARTITION BY snapshot
ORDER BY deal
