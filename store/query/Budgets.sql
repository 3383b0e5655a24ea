-- A row is one budget page, the newest first.
SELECT id, at, rep, note, attrs['title'], attrs['run'], attrs['model']
FROM facts(as_of = {as_of:DateTime64(3)})
WHERE kind = 'budgeted'
ORDER BY at DESC, id DESC
