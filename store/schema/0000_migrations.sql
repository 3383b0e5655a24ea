-- A row is one file of schema/ that was applied. checksum is the SHA-256 of the file, in hex.
CREATE TABLE IF NOT EXISTS migrations
(
    name       String,
    checksum   String,
    applied_at DateTime64(3, 'UTC')
)
ENGINE = ReplacingMergeTree
ORDER BY name
