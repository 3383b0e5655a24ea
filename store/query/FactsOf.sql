-- A row is one fact of the given kinds that a source told us of and did not retract.
SELECT id
FROM facts(as_of = {as_of:DateTime64(3)})
WHERE kind IN {kinds:Array(String)} AND source = {source:String}
ORDER BY id
