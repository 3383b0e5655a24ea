-- A row is one contact with its company, by domain, and the shares that were made for it or mailed to it.
CREATE OR REPLACE VIEW candidates AS
SELECT
    contact,
    argMaxIf(toString(account), (kind = 'contact', at, received_at, id), account != '') AS domain,
    groupUniqArrayIf(share, share != '' AND kind IN ('shared', 'sent'))                 AS shares
FROM facts(as_of = {as_of:DateTime64(3)})
WHERE contact != ''
GROUP BY contact
