-- A row is one request for content or one answer to a request, which it names, and when that was.
SELECT if(kind = 'requested', '', attrs['request']), id, at
FROM facts(as_of = {as_of:DateTime64(3)})
WHERE kind IN ('requested', 'answered')
ORDER BY at, id
