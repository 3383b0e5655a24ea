-- A row is one registered content in its latest state.
SELECT content, title, kind, url, other_urls, stage, persona, version, owner, tags, file, file_name, published_at, expires_at, attrs['successor'] AS successor, attrs['cost'] AS cost, upper(attrs['currency']) AS currency
FROM contents(as_of = {as_of:DateTime64(3)})
WHERE {content:String} = '' OR content = {content:String}
