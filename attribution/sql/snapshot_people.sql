-- A row is one person, or company, with touches that no deal of their own decides, and their company by our last word on who works where.
INSERT INTO snapshot_people (snapshot, person, company, share)
WITH undecided AS (SELECT DISTINCT undecided FROM snapshot_touches WHERE snapshot = {snapshot:String} AND undecided != 0)
SELECT {snapshot:String}, xxHash64(contact) AS person, xxHash64(argMaxIf(toString(account), (kind = 'contact', at, received_at, id), account != '')), 0
FROM facts(as_of = {as_of:DateTime64(3)}) AS f
WHERE (SELECT count() FROM undecided) > 0 AND contact != '' AND xxHash64(contact) IN (SELECT undecided FROM undecided)
GROUP BY person
UNION ALL
SELECT DISTINCT {snapshot:String}, xxHash64(account) AS company, company, 0
FROM facts(as_of = {as_of:DateTime64(3)}) AS f
WHERE (SELECT count() FROM undecided) > 0 AND contact = '' AND account != '' AND xxHash64(account) IN (SELECT undecided FROM undecided)
