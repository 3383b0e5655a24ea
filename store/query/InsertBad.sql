-- A row is one entry of the stream that could not become an event.
INSERT INTO bad (entry, at, stage, reason, origin, raw)
