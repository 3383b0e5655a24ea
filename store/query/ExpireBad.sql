-- Each bad entry that is older than it may be loses its bytes and its reason, which may name people; that there was an entry stays, for it was accepted.
ALTER TABLE bad_entries UPDATE raw = '[expired]', reason = '[expired]'
WHERE at < {before:DateTime64(3)} AND raw != '[expired]'
SETTINGS mutations_sync = 2
