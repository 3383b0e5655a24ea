-- A row is one file of schema/ that was applied.
INSERT INTO migrations (name, checksum, applied_at)
SELECT n, c, now64(3) FROM (SELECT arrayJoin(arrayZip({names:Array(String)}, {checksums:Array(String)})) AS x, x.1 AS n, x.2 AS c)
