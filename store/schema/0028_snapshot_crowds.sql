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
SETTINGS max_bytes_to_merge_at_max_space_in_pool = 1, max_bytes_to_merge_at_min_space_in_pool = 1 -- it goes before a merge would be worth its while
