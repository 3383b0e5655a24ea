-- A row is one person of a snapshot with the company that they work for and, if several had it, a link; all by their xxHash64, 0 for
-- no link. There are those who had such a link, and those whose own deals do not decide all their touches.
CREATE TABLE IF NOT EXISTS snapshot_people
(
    snapshot String,
    person   UInt64,
    company  UInt64,
    share    UInt64
)
ENGINE = MergeTree
PARTITION BY snapshot
ORDER BY (share, person)
SETTINGS max_bytes_to_merge_at_max_space_in_pool = 1, max_bytes_to_merge_at_min_space_in_pool = 1 -- it goes before a merge would be worth its while
