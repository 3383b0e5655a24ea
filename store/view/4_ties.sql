-- A row is what ties a contact or a share (the key) to deals: those that one of its people is on, and those
-- of their companies that have just one deal. Where neither is, there is no row.
CREATE OR REPLACE VIEW ties AS
SELECT
    key,
    arraySort(groupUniqArrayArrayIf(deals, party_kind = 'contact'))                     AS of_contacts,
    arraySort(groupUniqArrayArrayIf(deals, party_kind = 'account' AND length(deals) = 1)) AS of_accounts
FROM
(
    SELECT arrayJoin(arrayPushBack(c.shares, c.contact)) AS key, c.party.1 AS party_kind, d.deals AS deals
    FROM
    (
        SELECT contact, shares, arrayJoin([('contact', contact), ('account', domain)]) AS party
        FROM candidates(as_of = {as_of:DateTime64(3)})
    ) AS c
    INNER JOIN
    (
        SELECT party, groupArray(deal) AS deals
        FROM
        (
            SELECT deal, arrayJoin(arrayPushBack(arrayMap(c -> ('contact', c), contacts), ('account', domain))) AS party
            FROM deals(as_of = {as_of:DateTime64(3)})
        )
        WHERE party.2 != ''
        GROUP BY party
    ) AS d ON d.party = c.party
)
GROUP BY key
