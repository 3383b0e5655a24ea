-- A row is one rep who sent content.
SELECT rep
FROM resolved(as_of = {as_of:DateTime64(3)})
WHERE kind = 'sent' AND content != '' AND rep != ''
GROUP BY rep
ORDER BY rep
