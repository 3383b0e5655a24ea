-- A row is one layout that a table has a part of.
SELECT DISTINCT partition FROM system.parts
WHERE database = currentDatabase() AND table = {table:String} AND active AND endsWith(partition, '-layout')
