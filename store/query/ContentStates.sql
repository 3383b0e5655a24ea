-- A row is one registration of one content, in order.
SELECT at, attrs['version'], attrs['url'], attrs['file_name'], attrs['file']
FROM facts(as_of = {as_of:DateTime64(3)})
WHERE kind = 'content' AND content = {content:String}
ORDER BY at, received_at, id
