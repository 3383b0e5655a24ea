-- A row is one person who had a link that several had, with their company by our last word on who works where.
INSERT INTO snapshot_people (snapshot, person, company, share)
WITH crowd AS
(
    SELECT key AS share, arrayJoin(contacts) AS contact FROM snapshot_bindings
    WHERE snapshot = {snapshot:String} AND key = share AND length(contacts) > 1
)
SELECT {snapshot:String}, xxHash64(crowd.contact), company, xxHash64(share)
FROM crowd
INNER JOIN
(
    SELECT contact, xxHash64(argMaxIf(toString(account), (kind = 'contact', at, received_at, id), account != '')) AS company
    FROM facts(as_of = {as_of:DateTime64(3)}) AS f
    WHERE (SELECT count() FROM crowd) > 0 AND contact IN (SELECT contact FROM crowd)
    GROUP BY contact
) AS people ON people.contact = crowd.contact
