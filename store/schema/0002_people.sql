-- A row is who one contact is: the only place where an address or a name is kept. The loader writes
-- it from events and strips it from them. rank: the CRM's newest word wins over the first mail seen.
CREATE TABLE IF NOT EXISTS people
(
    contact String,
    address String,
    name    String,
    title   String,
    rank    UInt64
)
ENGINE = ReplacingMergeTree(rank)
ORDER BY contact
