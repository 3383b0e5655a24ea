-- A row is one registered content with its state, from which its target is read.
SELECT content, attrs FROM contents(as_of = {as_of:DateTime64(3)}) ORDER BY content
