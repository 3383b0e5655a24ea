-- A row is the title of one content.
SELECT content, title FROM contents(as_of = {as_of:DateTime64(3)}) WHERE content IN {contents:Array(String)}
