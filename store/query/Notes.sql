-- A row is one note of a rep on a content, the newest first. An empty content or deal means all.
SELECT id, at, rep, note, content, deal
FROM facts(as_of = {as_of:DateTime64(3)})
WHERE kind = 'noted' AND content != ''
    AND ({content:String} = '' OR content = {content:String})
    AND ({deal:String} = '' OR deal = {deal:String})
ORDER BY at DESC, id DESC
