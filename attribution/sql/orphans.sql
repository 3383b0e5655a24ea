-- A row is a run that left credits behind and never became complete, begun so long ago that it cannot be going on.
SELECT DISTINCT run
FROM credits
WHERE run < {before:String} AND run NOT IN (SELECT id FROM runs)
