-- A row is one file of schema/ that was applied.
INSERT INTO migrations (name, checksum, applied_at) SELECT {name:String}, {checksum:String}, now64(3)
