-- A row is one layout that a table has a part of, and that is not kept.
SELECT DISTINCT partition FROM system.parts
WHERE database = currentDatabase() AND table = {table:String} AND active AND endsWith(partition, '-layout') AND partition NOT IN {keep:Array(String)}
