-- A row is one row of the view crowds in a snapshot.
CREATE TABLE IF NOT EXISTS snapshot_crowds
(
    snapshot String,
    share    String,
    since    DateTime64(3, 'UTC'),
    people   Array(String)
)
ENGINE = MergeTree
PARTITION BY snapshot
ORDER BY (share, since)
