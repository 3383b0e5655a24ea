-- A row is one other contact, as in the view contacts: known from mail only, retracted, or registered without a company.
INSERT INTO layout_contacts (layout, contact, account, domain, role, owner, status, source, created_at, attrs, id, gone)
SELECT
    {snapshot:String}, contact, last_attrs['account'], domain, last_attrs['role'], last_attrs['owner'], last_attrs['status'], last_attrs['source'],
    parseDateTime64BestEffortOrZero(last_attrs['created_at'], 3, 'UTC'), last_attrs, last_id, last_word = 'retracted'
FROM
(
    SELECT
        contact,
        argMaxIf(attrs, (at, received_at, id), kind = 'contact') AS last_attrs,
        argMaxIf(id, (at, received_at, id), kind = 'contact')    AS last_id,
        argMaxIf(toString(account), (kind = 'contact', at, received_at, id), account != '') AS domain,
        argMaxIf(kind, (at, received_at, id), kind IN ('contact', 'retracted')) AS last_word
    FROM facts(as_of = {as_of:DateTime64(3)}) AS f
    WHERE contact != '' AND kind != 'listed' AND xxHash64(contact) NOT IN (SELECT xxHash64(contact) FROM layout_contacts WHERE layout = {snapshot:String})
    GROUP BY contact
)
