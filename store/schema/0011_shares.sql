-- Events of one share lie anywhere in events; this finds the parts of it that may have them.
ALTER TABLE events ADD INDEX IF NOT EXISTS shares share TYPE bloom_filter(0.001)
