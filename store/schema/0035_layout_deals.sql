-- A row is one row of the view deals as of the time of one layout.
CREATE TABLE IF NOT EXISTS layout_deals
(
    layout      String,
    deal        String,
    name        String,
    account     String,
    domain      LowCardinality(String),
    amount      Nullable(Decimal(18, 4)),
    currency    LowCardinality(String),
    stage       LowCardinality(String),
    status      LowCardinality(String),
    owner       LowCardinality(String),
    created_at  DateTime64(3, 'UTC'),
    closed_at   DateTime64(3, 'UTC'),
    loss_reason String,
    contacts    Array(String),
    known_at    DateTime64(3, 'UTC'),
    attrs       Map(LowCardinality(String), String),
    id          FixedString(16)
)
ENGINE = MergeTree
PARTITION BY layout
ORDER BY deal
