-- Events of one share or mail lie anywhere in events; this finds the parts of it that may have them.
ALTER TABLE events
    ADD INDEX IF NOT EXISTS shares share TYPE bloom_filter(0.001),
    ADD INDEX IF NOT EXISTS messages message TYPE bloom_filter(0.001)
