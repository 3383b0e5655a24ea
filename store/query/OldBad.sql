-- A row is how many bad entries are older than they may be and have their bytes.
SELECT count() FROM bad_entries WHERE at < {before:DateTime64(3)} AND raw != '[expired]'
