-- A row is one contact with a name or address of whom nothing was heard since a time, whom the CRM does not have, and who is on no open deal.
SELECT contact FROM events FINAL
WHERE contact != '' AND NOT startsWith(contact, '0') AND contact IN (SELECT contact FROM people)
    AND contact NOT IN (SELECT arrayJoin(contacts) FROM deals(as_of = {as_of:DateTime64(3)}) AS d WHERE d.status = 'open')
GROUP BY contact
HAVING max(greatest(at, received_at)) < {before:DateTime64(3)} AND argMaxIf(kind, (at, id), kind IN ('contact', 'retracted')) != 'contact'
    AND countIf(kind IN ('optedout', 'consented')) = 0 -- what people chose stays in force
ORDER BY contact
LIMIT {limit:UInt64}
