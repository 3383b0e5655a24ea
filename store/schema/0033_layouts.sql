-- A row says that the tables layout_* have a layout: of what was known by as_of or, if that is 1970, of all that
-- was known. at is when it was begun, after how many inserts of events and people, and how long that took. layout is its name.
CREATE TABLE IF NOT EXISTS layouts
(
    layout  String,
    as_of   DateTime64(3, 'UTC'),
    at      DateTime64(3, 'UTC'),
    inserts UInt64,
    took_ms UInt64
)
ENGINE = MergeTree
PARTITION BY layout
ORDER BY at
