-- A row is one rep who sent content.
SELECT rep
FROM rep_counts(as_of = {as_of:DateTime64(3)})
WHERE counted_at = 1 AND sent > 0
ORDER BY rep
