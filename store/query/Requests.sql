-- A row is one request of a rep for content, as it was asked. An empty deal means all.
SELECT id, at, rep, note, deal, stage, attrs['persona']
FROM facts(as_of = {as_of:DateTime64(3)})
WHERE kind = 'requested' AND ({deal:String} = '' OR deal = {deal:String})
ORDER BY id
