-- A row is one row of the view contacts, as it was when latest was laid out; who they are by name only the table people knows.
CREATE TABLE IF NOT EXISTS latest_contacts
(
    latest     String,
    contact    String,
    account    String,
    domain     LowCardinality(String),
    role       LowCardinality(String),
    owner      LowCardinality(String),
    status     LowCardinality(String),
    source     LowCardinality(String),
    created_at DateTime64(3, 'UTC'),
    attrs      Map(LowCardinality(String), String),
    id         FixedString(16)
)
ENGINE = MergeTree
PARTITION BY latest
ORDER BY contact
