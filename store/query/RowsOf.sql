-- The only row is how many rows a table has, copies included.
SELECT toUInt64(coalesce(max(total_rows), 0)) FROM system.tables WHERE database = currentDatabase() AND name = {table:String}
