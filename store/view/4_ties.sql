-- A row is what ties the people who may have caused an event to deals. The key is the contact, the contacts
-- with spaces between when it was one of several (of more than fifty nothing can be said), or the company when
-- no person is known. of_contacts are the deals that they are on: of several people all of theirs if they are
-- of one company, else those that each of them is on; of_accounts are the company's deals if there is one.
CREATE OR REPLACE VIEW ties AS
SELECT
    key,
    if(uniqExact(domain) = 1, arraySort(groupUniqArrayArray(of_contact)), arraySort(groupArrayIntersect(of_contact))) AS of_contacts,
    if(uniqExact(domain) = 1, arraySort(groupUniqArrayArray(of_account)), []) AS of_accounts
FROM
(
    SELECT p.contact AS contact, p.domain AS domain, p.of_contact AS of_contact, p.of_account AS of_account,
        arrayJoin(arrayPushBack(g.keys, p.contact)) AS key
    FROM parties(as_of = {as_of:DateTime64(3)}) AS p
    LEFT JOIN
    (
        SELECT arrayJoin(people) AS contact, groupUniqArray(arrayStringConcat(people, ' ')) AS keys
        FROM crowds(as_of = {as_of:DateTime64(3)}) AS w
        WHERE length(people) BETWEEN 2 AND 50
        GROUP BY contact
    ) AS g ON g.contact = p.contact
)
GROUP BY key
