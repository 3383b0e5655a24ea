-- A row of events has besides: what the request told of who made it, the rules' version, where an expired content's link led, and why no person is named.
ALTER TABLE events
    ADD COLUMN IF NOT EXISTS rule_set UInt16 AFTER signal,
    ADD COLUMN IF NOT EXISTS signs    UInt32 AFTER rule_set,
    ADD COLUMN IF NOT EXISTS network  LowCardinality(String) AFTER signs,
    ADD COLUMN IF NOT EXISTS origin   String AFTER network,
    ADD COLUMN IF NOT EXISTS device   String AFTER origin,
    ADD COLUMN IF NOT EXISTS led_to   LowCardinality(String) AFTER device,
    ADD COLUMN IF NOT EXISTS withheld LowCardinality(String) AFTER led_to
