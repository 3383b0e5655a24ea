-- A row is one party to deals in a snapshot, as in the view parties, with what the view ties says of it. party is the xxHash64 of its
-- name, and of a link that several people had a hash of that. untils are when its deals close (of a link those of all its people), until
-- when the last of its deals does, told_until when the last of those does that a person said; sure is how sure it is that they are
-- meant. deal is the only deal of a person, if nobody said anything of them, else 0; person is false
-- of companies that nobody said anything of.
CREATE TABLE IF NOT EXISTS snapshot_parties
(
    snapshot   String,
    party      UInt64,
    told       Array(UInt64),
    told_until Int64,
    denied     Array(UInt64),
    deals      Array(UInt64),
    untils     Array(Int64),
    until      Int64,
    deal       UInt64,
    person     Bool DEFAULT true,
    sure       Float32 DEFAULT 0.95
)
ENGINE = MergeTree
PARTITION BY snapshot
ORDER BY party
SETTINGS max_bytes_to_merge_at_max_space_in_pool = 1, max_bytes_to_merge_at_min_space_in_pool = 1 -- it goes before a merge would be worth its while
