-- The only row is what time it is by the database's clock, in whole seconds.
SELECT toDateTime64(now(), 3, 'UTC')
