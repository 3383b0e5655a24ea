-- A row is one row of the view kept_counts as of the time of one layout.
CREATE TABLE IF NOT EXISTS layout_kept_counts
(
    layout      String,
    rep         LowCardinality(String),
    kind        LowCardinality(String),
    facts_kept  UInt64,
    by_machines UInt64,
    with_word   UInt64,
    first_at    DateTime64(3, 'UTC'),
    last_at     DateTime64(3, 'UTC')
)
ENGINE = MergeTree
PARTITION BY layout
ORDER BY (rep, kind)
