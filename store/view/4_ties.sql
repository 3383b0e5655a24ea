-- A row is what ties a contact, a company without a person, or a share of several people (the key) to deals.
-- of_contacts are the deals that its people are on: of several people all of theirs if they are of one company,
-- else those that each of them is on. of_accounts are the company's deals if there is one company.
CREATE OR REPLACE VIEW ties AS
SELECT
    key,
    if(one_company, arraySort(groupUniqArrayArrayIf(d.deals, name != domain)), arraySort(groupArrayIntersectIf(d.deals, name != domain))) AS of_contacts,
    if(one_company, arraySort(groupUniqArrayArrayIf(d.deals, name = domain)), []) AS of_accounts,
    min(domain) = max(domain) AS one_company
FROM
(
    SELECT arrayJoin(arrayPushBack(shares, contact)) AS key, domain, arrayJoin([contact, domain]) AS name
    FROM
    (
        SELECT
            if(contact != '', contact, toString(account)) AS contact,
            argMaxIf(toString(account), (kind = 'contact', at, received_at, id), account != '') AS domain,
            groupUniqArrayIf(share, kind IN ('shared', 'sent') AND share IN
            (
                SELECT share FROM facts(as_of = {as_of:DateTime64(3)})
                WHERE kind IN ('shared', 'sent') AND share != '' AND contact != ''
                GROUP BY share
                HAVING min(contact) != max(contact)
            )) AS shares
        FROM facts(as_of = {as_of:DateTime64(3)})
        WHERE contact != '' OR account != '' AND kind NOT IN ('deal', 'staged')
        GROUP BY contact
    )
) AS who
LEFT JOIN
(
    SELECT party, groupArray(deal) AS deals
    FROM (SELECT deal, arrayJoin(arrayPushBack(contacts, domain)) AS party FROM deals(as_of = {as_of:DateTime64(3)}))
    WHERE party != ''
    GROUP BY party
) AS d ON d.party = who.name
GROUP BY key
