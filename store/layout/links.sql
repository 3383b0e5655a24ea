-- A row is one link that several people had as a party to deals, by a hash of its hash, beside what a person said of it. Of people of
-- one company its deals are all theirs, of several those that each of them is on; untils are those of all theirs.
INSERT INTO snapshot_parties (snapshot, party, told, told_until, deals, untils, until, sure)
SELECT
    {snapshot:String}, intHash64(m.share), any(l.told), any(l.told_until),
    arrayFilter(x -> NOT has(any(l.denied), x), if(uniqExact(m.company) = 1, groupUniqArrayArray(p.deals), groupArrayIntersect(p.deals))),
    arrayMap(x -> x.1, groupUniqArrayArray(arrayZip(p.untils, p.deals))),
    if(uniqExact(m.company) > 1 AND empty(groupArrayIntersect(p.deals)), 0, max(p.until)),
    avg(if(empty(p.deals), 0, 0.95))
FROM (SELECT person, company, share FROM snapshot_people WHERE snapshot = {snapshot:String} AND share != 0) AS m
LEFT JOIN
(
    SELECT party, deals, untils, until FROM snapshot_parties
    WHERE snapshot = {snapshot:String} AND party IN (SELECT person FROM snapshot_people WHERE snapshot = {snapshot:String} AND share != 0)
) AS p ON p.party = m.person
LEFT JOIN
(
    SELECT party, told, told_until, denied FROM snapshot_parties
    WHERE snapshot = {snapshot:String} AND party IN (SELECT share FROM snapshot_people WHERE snapshot = {snapshot:String})
) AS l ON l.party = m.share
GROUP BY m.share
