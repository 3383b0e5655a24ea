-- A row is one contact, or one company that events name without a person (contact is its domain then): its
-- company, by domain, and the deals of either.
CREATE OR REPLACE VIEW parties AS
SELECT
    who.contact AS contact,
    any(who.domain) AS domain,
    groupUniqArrayIf(d.deal, d.party = who.contact AND d.party != who.domain) AS of_contact,
    groupUniqArrayIf(d.deal, d.party = who.domain AND d.party != '')          AS of_account
FROM
(
    SELECT if(contact != '', contact, toString(account)) AS contact, argMaxIf(toString(account), (kind = 'contact', at, received_at, id), account != '') AS domain, arrayJoin([contact, domain]) AS name
    FROM facts(as_of = {as_of:DateTime64(3)})
    WHERE contact != '' OR account != '' AND kind NOT IN ('deal', 'staged')
    GROUP BY contact
) AS who
LEFT JOIN
(
    SELECT deal, arrayJoin(arrayPushBack(contacts, domain)) AS party
    FROM deals(as_of = {as_of:DateTime64(3)})
) AS d ON d.party = who.name
GROUP BY contact
