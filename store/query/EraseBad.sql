-- Each bad entry whose bytes or reason name who is being erased loses them; that there was an entry stays, for it was accepted.
ALTER TABLE bad_entries UPDATE raw = '[erased]', reason = '[erased]'
WHERE (SELECT count() FROM erasing) > 0 AND
(
    position(raw, (SELECT any(was) FROM erasing)) > 0 OR match(raw, (SELECT any(pattern) FROM erasing))
    OR position(reason, (SELECT any(was) FROM erasing)) > 0 OR match(reason, (SELECT any(pattern) FROM erasing))
)
SETTINGS mutations_sync = 2
