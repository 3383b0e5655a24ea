-- A row is one row of the view deals, as it was when latest was laid out.
CREATE TABLE IF NOT EXISTS latest_deals
(
    latest      String,
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
PARTITION BY latest
ORDER BY deal
