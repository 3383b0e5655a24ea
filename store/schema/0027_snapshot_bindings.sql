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
ORDER BY tuple()
SETTINGS max_bytes_to_merge_at_max_space_in_pool = 1, max_bytes_to_merge_at_min_space_in_pool = 1 -- it goes before a merge would be worth its while
