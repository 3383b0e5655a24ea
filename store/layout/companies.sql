-- A row is the only open deal of the company of one person or company, or of a link whose people are of one company; see the view ties.
INSERT INTO snapshot_companies (snapshot, key, deal, until, since, rule)
WITH
    -- A row is one company with its deals, the last to close first; those that a person said, if there are any.
    companies AS
    (
        SELECT party, if(empty(told), 'account', 'assigned') AS rule, arrayReverseSort(arrayFilter(x -> empty(told) OR has(told, x.2), arrayZip(untils, deals))) AS own
        FROM snapshot_parties
        WHERE snapshot = {snapshot:String} AND party IN (SELECT company FROM snapshot_people WHERE snapshot = {snapshot:String})
    )
SELECT {snapshot:String}, who.key, c.own[1].2, if(has(p.denied, c.own[1].2), 0, c.own[1].1), c.own[2].1, c.rule
FROM
(
    SELECT if(share = 0, person, share) AS key, any(company) AS company FROM snapshot_people
    WHERE snapshot = {snapshot:String}
    GROUP BY key
    HAVING uniqExact(snapshot_people.company) = 1
) AS who
INNER JOIN companies AS c ON c.party = who.company
LEFT JOIN (SELECT party, denied FROM snapshot_parties WHERE snapshot = {snapshot:String} AND notEmpty(denied)) AS p ON p.party = who.key
