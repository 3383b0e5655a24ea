-- Each row of events of a contact who is forgotten, and each deal that they were on, gets the random contact in place of theirs.
ALTER TABLE events UPDATE
    contact = transform(contact, (SELECT groupArray(was) FROM (SELECT '-' AS was, '-' AS becomes UNION ALL SELECT was, becomes FROM expiring)), (SELECT groupArray(becomes) FROM (SELECT '-' AS was, '-' AS becomes UNION ALL SELECT was, becomes FROM expiring)), contact),
    attrs = mapApply((k, v) -> (k, if(k = 'contacts', arrayStringConcat(arrayMap(c -> transform(c, (SELECT groupArray(was) FROM (SELECT '-' AS was, '-' AS becomes UNION ALL SELECT was, becomes FROM expiring)), (SELECT groupArray(becomes) FROM (SELECT '-' AS was, '-' AS becomes UNION ALL SELECT was, becomes FROM expiring)), c), splitByChar(' ', v)), ' '), v)), attrs)
WHERE (SELECT count() FROM expiring) > 0 AND (contact IN (SELECT was FROM expiring) OR hasAny(splitByChar(' ', attrs['contacts']), (SELECT groupArray(was) FROM expiring)))
SETTINGS mutations_sync = 2
