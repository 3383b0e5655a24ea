-- A row is somebody who is being erased: their contact, what takes its place, and a regular expression that finds them in text. It is
-- in memory alone and only while that lasts, so that statements which rewrite tables name this table and never the person.
CREATE TABLE IF NOT EXISTS erasing
(
    was     String,
    becomes String,
    pattern String
)
ENGINE = Memory
