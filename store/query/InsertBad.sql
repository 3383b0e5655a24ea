-- A row is one entry of the streams that could not become an event.
INSERT INTO bad_entries (epoch, partition, ms, seq, at, stage, reason, origin, raw, replayed_at)
