-- A row is a contact who is forgotten because nothing was heard of them for long, with what takes their place. In memory alone, as erasing.
CREATE TABLE IF NOT EXISTS expiring
(
    was     String,
    becomes String
)
ENGINE = Memory
