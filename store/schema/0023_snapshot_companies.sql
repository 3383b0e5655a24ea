-- A row is the only open deal, between since and until, of the company of one person, company or link in a snapshot, by rule account or
-- assigned. key is the xxHash64 of the contact, domain or share.
CREATE TABLE IF NOT EXISTS snapshot_companies
(
    snapshot String,
    key      UInt64,
    deal     UInt64,
    until    Int64,
    since    Int64,
    rule     LowCardinality(String)
)
ENGINE = MergeTree
PARTITION BY snapshot
ORDER BY key
SETTINGS max_bytes_to_merge_at_max_space_in_pool = 1, max_bytes_to_merge_at_min_space_in_pool = 1 -- it goes before a merge would be worth its while
