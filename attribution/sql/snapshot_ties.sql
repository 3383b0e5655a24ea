-- A row is what ties a key to deals, as in the view ties, which says what the columns are. Most keys are single people, of whom
-- two lookups tell all, while the view gathers every key from its parts: for a million deals that takes twenty times as long. A
-- test holds the two together.
INSERT INTO snapshot_ties (snapshot, key, told, told_until, theirs, theirs_until, among, sure, only, only_until, only_since, only_rule)
WITH
    toDateTime64(0, 3, 'UTC') AS never,

    -- A row is one contact, or a company without one, with its company by our last word.
    people AS
    (
        SELECT
            if(contact != '', contact, toString(account)) AS name,
            argMaxIf(toString(account), (kind = 'contact', at, received_at, id), account != '') AS domain
        FROM facts(as_of = {as_of:DateTime64(3)})
        WHERE contact != '' OR account != '' AND kind NOT IN ('deal', 'staged')
        GROUP BY name
    ),

    -- A row is one company with its deals, the last to close first.
    companies AS
    (
        SELECT party AS domain, notEmpty(told) AS by_hand, arrayReverseSort(if(by_hand, told, deals)) AS own
        FROM snapshot_parties
        WHERE snapshot = {snapshot:String}
    ),

    -- A row is one person who had a link that several had.
    crowd AS
    (
        SELECT DISTINCT share, contact
        FROM facts(as_of = {as_of:DateTime64(3)})
        WHERE kind IN ('shared', 'sent') AND contact != '' AND share IN
        (
            SELECT share FROM facts(as_of = {as_of:DateTime64(3)})
            WHERE kind IN ('shared', 'sent') AND share != '' AND contact != ''
            GROUP BY share
            HAVING min(contact) != max(contact)
        )
    )
SELECT {snapshot:String}, key, told, told_until, theirs, theirs_until, among, sure, only, only_until, only_since, only_rule
FROM
(
    SELECT
        who.name AS key,
        arrayDistinct(p.told.2) AS told,
        arrayMax(p.told.1) AS told_until,
        if(who.name = who.domain, [], arrayDistinct(arrayFilter(x -> NOT has(p.denied, x), p.deals.2))) AS theirs,
        if(who.name = who.domain, never, arrayMax(p.deals.1)) AS theirs_until,
        if(who.name = who.domain, [], p.deals) AS among,
        if(empty(among), 0, 0.95) AS sure,
        [c.own[1].2] AS only,
        if(hasAny(p.denied, only), never, c.own[1].1) AS only_until,
        if(c.by_hand, never, c.own[2].1) AS only_since,
        if(c.by_hand, 'assigned', 'account') AS only_rule
    FROM people AS who
    LEFT JOIN (SELECT party, told, denied, deals FROM snapshot_parties WHERE snapshot = {snapshot:String}) AS p ON p.party = who.name
    LEFT JOIN companies AS c ON c.domain = who.domain
    WHERE notEmpty(p.told) OR notEmpty(p.deals) OR notEmpty(c.own)
    UNION ALL
    SELECT
        m.share AS key,
        any(l.told.2) AS told,
        any(arrayMax(l.told.1)) AS told_until,
        arrayFilter(x -> NOT has(any(l.denied), x), if(uniqExact(m.domain) = 1, groupUniqArrayArray(p.deals.2), groupArrayIntersect(p.deals.2))) AS theirs,
        if(uniqExact(m.domain) > 1 AND empty(groupArrayIntersect(p.deals.2)), never, max(arrayMax(p.deals.1))) AS theirs_until,
        groupUniqArrayArray(p.deals) AS among,
        avg(if(empty(p.deals), 0, 0.95)) AS sure,
        any([c.own[1].2]) AS only,
        if(uniqExact(m.domain) > 1 OR hasAny(any(l.denied), only), never, any(c.own[1].1)) AS only_until,
        any(if(c.by_hand, never, c.own[2].1)) AS only_since,
        any(if(c.by_hand, 'assigned', 'account')) AS only_rule
    FROM (SELECT crowd.share AS share, crowd.contact AS contact, people.domain AS domain FROM crowd INNER JOIN people ON people.name = crowd.contact) AS m
    LEFT JOIN (SELECT party, deals FROM snapshot_parties WHERE snapshot = {snapshot:String}) AS p ON p.party = m.contact
    LEFT JOIN (SELECT party, told, denied FROM snapshot_parties WHERE snapshot = {snapshot:String}) AS l ON l.party = m.share
    LEFT JOIN companies AS c ON c.domain = m.domain
    GROUP BY m.share
    UNION ALL
    SELECT party AS key, arrayDistinct(told.2), arrayMax(told.1), [], never, [], 0, [''], never, never, 'account'
    FROM snapshot_parties
    WHERE snapshot = {snapshot:String} AND startsWith(party, 'deal ')
)
