-- A row is one row of the view contacts as of the time of one layout, or, if gone, one contact that the CRM retracted; who they are by name only the table people knows.
CREATE TABLE IF NOT EXISTS layout_contacts
(
    layout     String,
    contact    String,
    account    String,
    domain     LowCardinality(String),
    role       LowCardinality(String),
    owner      LowCardinality(String),
    status     LowCardinality(String),
    source     LowCardinality(String),
    created_at DateTime64(3, 'UTC'),
    attrs      Map(LowCardinality(String), String),
    id         FixedString(16),
    gone       Bool
)
ENGINE = MergeTree
PARTITION BY layout
ORDER BY contact
