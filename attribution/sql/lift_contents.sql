-- A row is one registered content as it was known then.
SELECT content, title, kind, persona FROM contents(as_of = {as_of:DateTime64(3)}) ORDER BY content
