-- A row is one part of a table that other parts have taken the place of, and that is still on the disk.
SELECT name FROM system.parts WHERE database = currentDatabase() AND table = {table:String} AND NOT active
