-- A row is one row of the view bindings in a snapshot.
CREATE TABLE IF NOT EXISTS snapshot_bindings
(
    snapshot String,
    key      String,
    content  String,
    rep      String,
    deal     String,
    share    String,
    contacts Array(String)
)
ENGINE = MergeTree
PARTITION BY snapshot
ORDER BY key
