-- A row says that the tables latest_* were laid out: at when that began, of how many rows of events and people, and how long it took. latest is its name
-- in these.
CREATE TABLE IF NOT EXISTS latest
(
    latest  String,
    at      DateTime64(3, 'UTC'),
    rows    UInt64,
    took_ms UInt64
)
ENGINE = MergeTree
PARTITION BY latest
ORDER BY at
