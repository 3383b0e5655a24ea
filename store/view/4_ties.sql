-- A row is what ties the people who may have caused an event to deals. The key is the contact, the contacts
-- with spaces between when it was one of several, or the company when no person is known. accounts are their
-- companies; of_contacts are the deals that they are on: of several people all of theirs if they are of one
-- company, else those that each of them is on; of_accounts are the company's deals if there is one company.
CREATE OR REPLACE VIEW ties AS
WITH
    length(accounts) = 1 AS one_account
SELECT
    key,
    if(one_account, any_deals, every_deal) AS of_contacts,
    if(one_account, account_deals, [])     AS of_accounts
FROM
(
    SELECT
        key,
        groupUniqArray(domain) AS accounts,
        arraySort(groupUniqArrayArray(p.deals)) AS any_deals,
        arrayReduce('groupArrayIntersect', groupArray(p.deals)) AS every_deal,
        arraySort(groupUniqArrayArray(a.deals)) AS account_deals
    FROM
    (
        SELECT m.key AS key, m.contact AS contact, c.domain AS domain
        FROM
        (
            SELECT contact AS key, contact FROM facts(as_of = {as_of:DateTime64(3)}) WHERE contact != '' GROUP BY contact
            UNION ALL
            -- People who share a link; of more than fifty nothing can be said.
            SELECT arrayStringConcat(people, ' ') AS key, arrayJoin(people) AS contact
            FROM
            (
                SELECT DISTINCT arrayJoin(arrayPushBack(arrayMap(m -> m.2, mailed), contacts)) AS people
                FROM bindings(as_of = {as_of:DateTime64(3)})
                WHERE length(contacts) > 1
            )
            WHERE length(people) BETWEEN 2 AND 50
        ) AS m
        LEFT JOIN
        (
            SELECT contact, argMaxIf(toString(account), (kind = 'contact', at, received_at, id), account != '') AS domain
            FROM facts(as_of = {as_of:DateTime64(3)})
            WHERE contact != ''
            GROUP BY contact
        ) AS c ON c.contact = m.contact
        UNION ALL
        SELECT toString(account) AS key, '' AS contact, toString(account) AS domain
        FROM facts(as_of = {as_of:DateTime64(3)})
        WHERE account != '' AND contact = '' AND kind NOT IN ('deal', 'staged')
        GROUP BY account
    ) AS who
    LEFT JOIN parties(as_of = {as_of:DateTime64(3)}) AS p ON p.party = who.contact
    LEFT JOIN parties(as_of = {as_of:DateTime64(3)}) AS a ON a.party = who.domain
    GROUP BY key
)
