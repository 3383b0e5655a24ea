-- A row is one entry of the stream that could not become an event, kept with the reason and its raw bytes.
CREATE TABLE IF NOT EXISTS bad
(
    entry  String,
    at     DateTime64(3, 'UTC'),
    stage  LowCardinality(String),
    reason String,
    origin LowCardinality(String),
    raw    String
)
ENGINE = ReplacingMergeTree
ORDER BY entry
