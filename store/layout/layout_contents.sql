-- A row is one content, as in the view contents.
INSERT INTO layout_contents (layout, content, title, kind, url, other_urls, stage, persona, version, tags, owner, file, file_name, published_at, expires_at, attrs, id)
SELECT {snapshot:String}, content, title, kind, url, other_urls, stage, persona, version, tags, owner, file, file_name, published_at, expires_at, attrs, id
FROM contents(as_of = {as_of:DateTime64(3)}) AS c
