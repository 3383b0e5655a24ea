-- A row is one person of a layout, or one company, with the company that they work for.
INSERT INTO snapshot_people (snapshot, person, company, share)
SELECT layout, xxHash64(contact), xxHash64(toString(domain)), 0 FROM layout_contacts
WHERE layout = {snapshot:String} AND domain != ''
UNION ALL
SELECT DISTINCT {snapshot:String}, xxHash64(toString(account)) AS company, company, 0
FROM facts(as_of = {as_of:DateTime64(3)}) AS f
WHERE contact = '' AND account != '' AND kind NOT IN ('deal', 'staged')
