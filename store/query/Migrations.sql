-- A row is one file of schema/ that was applied.
SELECT name, checksum FROM migrations FINAL ORDER BY name
