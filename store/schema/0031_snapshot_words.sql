-- A row is one party of one deal of a snapshot, both by xxHash64 of their names, for which a person's word (word is 1, or 2 that it is not
-- so) or a merge (0) counts.
CREATE TABLE IF NOT EXISTS snapshot_words
(
    snapshot String,
    deal     UInt64,
    party    UInt64,
    word     UInt8
)
ENGINE = MergeTree
PARTITION BY snapshot
ORDER BY (deal, party)
SETTINGS max_bytes_to_merge_at_max_space_in_pool = 1, max_bytes_to_merge_at_min_space_in_pool = 1 -- it goes before a merge would be worth its while
