-- A row is one contact with its company, by domain, and the shares that were made for it or mailed to it.
CREATE OR REPLACE VIEW candidates AS
SELECT
    contact,
    argMaxIf(company, (kind = 'contact', at, received_at, id), company != '') AS domain,
    groupUniqArrayIf(share, share != '' AND kind IN ('shared', 'sent'))       AS shares
FROM
(
    SELECT
        contact, kind, id, at, received_at, share,
        if(account != '' OR kind != 'contact', toString(account), attrs['domain']) AS company
    FROM facts(as_of = {as_of:DateTime64(3)})
    WHERE contact != ''
)
GROUP BY contact
