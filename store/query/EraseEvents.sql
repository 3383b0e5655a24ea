-- Each row of events that names who is being erased gets the random contact in place of theirs, in every column that can hold it.
ALTER TABLE events UPDATE
    contact = if(contact = (SELECT any(was) FROM erasing), (SELECT any(becomes) FROM erasing), contact),
    note = replaceRegexpAll(replaceAll(note, (SELECT any(was) FROM erasing), (SELECT any(becomes) FROM erasing)), (SELECT any(pattern) FROM erasing), '\\1[erased]\\2'),
    attrs = mapApply((k, v) -> (k, replaceRegexpAll(replaceAll(v, (SELECT any(was) FROM erasing), (SELECT any(becomes) FROM erasing)), (SELECT any(pattern) FROM erasing), '\\1[erased]\\2')), attrs)
WHERE (SELECT count() FROM erasing) > 0 AND
(
    contact = (SELECT any(was) FROM erasing)
    OR position(note, (SELECT any(was) FROM erasing)) > 0 OR match(note, (SELECT any(pattern) FROM erasing))
    OR arrayExists(v -> position(v, (SELECT any(was) FROM erasing)) > 0 OR match(v, (SELECT any(pattern) FROM erasing)), mapValues(attrs))
)
SETTINGS mutations_sync = 2
