-- A row is one row of the view contents as of the time of one layout.
CREATE TABLE IF NOT EXISTS layout_contents
(
    layout       String,
    content      LowCardinality(String),
    title        String,
    kind         LowCardinality(String),
    url          String,
    other_urls   String,
    stage        LowCardinality(String),
    persona      LowCardinality(String),
    version      String,
    tags         String,
    owner        LowCardinality(String),
    file         String,
    file_name    String,
    published_at DateTime64(3, 'UTC'),
    expires_at   DateTime64(3, 'UTC'),
    attrs        Map(LowCardinality(String), String),
    id           FixedString(16)
)
ENGINE = MergeTree
PARTITION BY layout
ORDER BY content
