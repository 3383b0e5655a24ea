CREATE TABLE IF NOT EXISTS dealtrail.migrations ON CLUSTER 'prod'
(
    name       String,
    checksum   String,
    applied_at DateTime64(3, 'UTC')
)
ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/dealtrail/all/migrations', '{shard}-{replica}')
ORDER BY name;

CREATE TABLE IF NOT EXISTS dealtrail.events_local ON CLUSTER 'prod'
(
    id          FixedString(16),
    revision    UInt16,
    kind        LowCardinality(String),
    at          DateTime64(3, 'UTC'),
    received_at DateTime64(3, 'UTC'),
    revised_at  DateTime64(3, 'UTC'),
    source      LowCardinality(String),
    content     LowCardinality(String),
    share       String,
    message     String,
    contact     String,
    account     LowCardinality(String),
    rep         LowCardinality(String),
    deal        String,
    stage       LowCardinality(String),
    agent       LowCardinality(String),
    probability Float32,
    rules       Array(LowCardinality(String)),
    signal      LowCardinality(String),
    note        String,
    attrs       Map(LowCardinality(String), String),
    version     UInt64 MATERIALIZED bitShiftLeft(toUInt64(revision), 48) + (281474976710655 - toUnixTimestamp64Milli(received_at)),
    INDEX kinds kind TYPE bloom_filter(0.001) -- registrations lie together at the beginning: their ids have no time
)
ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/dealtrail/{shard}/events_local', '{replica}', version)
ORDER BY id;

CREATE TABLE IF NOT EXISTS dealtrail.events ON CLUSTER 'prod' AS dealtrail.events_local ENGINE = Distributed('prod', 'dealtrail', 'events_local', reinterpretAsUInt8(substring(id, 16, 1)) % 16);

CREATE TABLE IF NOT EXISTS dealtrail.people ON CLUSTER 'prod'
(
    contact String,
    address String,
    name    String,
    title   String,
    rank    UInt64
)
ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/dealtrail/all/people', '{shard}-{replica}', rank)
ORDER BY contact;

CREATE TABLE IF NOT EXISTS dealtrail.arrivals_local ON CLUSTER 'prod'
(
    id        FixedString(16),
    revision  UInt16,
    epoch     LowCardinality(String),
    partition UInt8,
    ms        UInt64,
    seq       UInt64
)
ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/dealtrail/{shard}/arrivals_local', '{replica}')
ORDER BY (id, revision, epoch, partition, ms, seq);

CREATE TABLE IF NOT EXISTS dealtrail.arrivals ON CLUSTER 'prod' AS dealtrail.arrivals_local ENGINE = Distributed('prod', 'dealtrail', 'arrivals_local', reinterpretAsUInt8(substring(id, 16, 1)) % 16);

DROP TABLE IF EXISTS dealtrail.bad ON CLUSTER 'prod' SYNC;

ALTER TABLE dealtrail.events_local ON CLUSTER 'prod' ADD COLUMN IF NOT EXISTS rule_set UInt16 AFTER signal,
    ADD COLUMN IF NOT EXISTS signs    UInt32 AFTER rule_set,
    ADD COLUMN IF NOT EXISTS network  LowCardinality(String) AFTER signs,
    ADD COLUMN IF NOT EXISTS origin   String AFTER network,
    ADD COLUMN IF NOT EXISTS device   String AFTER origin,
    ADD COLUMN IF NOT EXISTS led_to   LowCardinality(String) AFTER device,
    ADD COLUMN IF NOT EXISTS withheld LowCardinality(String) AFTER led_to;

CREATE OR REPLACE TABLE dealtrail.events ON CLUSTER 'prod' AS dealtrail.events_local ENGINE = Distributed('prod', 'dealtrail', 'events_local', reinterpretAsUInt8(substring(id, 16, 1)) % 16);

ALTER TABLE dealtrail.events_local ON CLUSTER 'prod' ADD INDEX IF NOT EXISTS shares share TYPE bloom_filter(0.001),
    ADD INDEX IF NOT EXISTS messages message TYPE bloom_filter(0.001);

CREATE TABLE IF NOT EXISTS dealtrail.credits ON CLUSTER 'prod'
(
    run        String,
    model      LowCardinality(String),
    deal       String,
    touch      FixedString(16),
    content    LowCardinality(String),
    rep        LowCardinality(String),
    kind       LowCardinality(String),
    rule       LowCardinality(String),
    confidence Float32,
    share      Float64,
    value      Int64
)
ENGINE = ReplicatedMergeTree('/clickhouse/tables/dealtrail/all/credits', '{shard}-{replica}')
PARTITION BY run
ORDER BY (model, content);

CREATE TABLE IF NOT EXISTS dealtrail.layout_totals ON CLUSTER 'prod'
(
    layout        String,
    events        UInt64,
    contents      UInt64,
    deals         UInt64,
    contacts      UInt64,
    shares        UInt64,
    clicks        UInt64,
    last_received DateTime64(3, 'UTC'),
    crm_contacts  UInt64,
    baseline_kept Bool
)
ENGINE = ReplicatedMergeTree('/clickhouse/tables/dealtrail/all/layout_totals', '{shard}-{replica}')
PARTITION BY layout
ORDER BY layout;

CREATE OR REPLACE VIEW dealtrail.facts ON CLUSTER 'prod' AS
SELECT * FROM events FINAL WHERE received_at <= {as_of:DateTime64(3)};

