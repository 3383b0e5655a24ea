-- A row is one party to deals, a contact or a company by domain, with its deals.
CREATE OR REPLACE VIEW parties AS
SELECT party, arraySort(groupArray(deal)) AS deals
FROM
(
    SELECT deal, arrayJoin(arrayPushBack(contacts, domain)) AS party
    FROM deals(as_of = {as_of:DateTime64(3)})
)
WHERE party != ''
GROUP BY party
