-- A row is one row of the view ties in a snapshot. Keys that lead nowhere are left out.
CREATE TABLE IF NOT EXISTS snapshot_ties
(
    snapshot     String,
    key          String,
    told         Array(String),
    told_until   DateTime64(3, 'UTC'),
    theirs       Array(String),
    theirs_until DateTime64(3, 'UTC'),
    among        Array(Tuple(DateTime64(3, 'UTC'), String)),
    sure         Float64,
    only         Array(String),
    only_until   DateTime64(3, 'UTC'),
    only_since   DateTime64(3, 'UTC'),
    only_rule    LowCardinality(String)
)
ENGINE = MergeTree
PARTITION BY snapshot
ORDER BY key
