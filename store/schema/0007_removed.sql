-- A row is one event that is no longer stored, on purpose: reason is erased or expired. Without the
-- person or anything else of the event.
CREATE TABLE IF NOT EXISTS removed
(
    id     FixedString(16),
    reason LowCardinality(String),
    at     DateTime64(3, 'UTC')
)
ENGINE = ReplacingMergeTree
ORDER BY id
