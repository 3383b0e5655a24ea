-- A row is one lead: a contact to whom the CRM gives a status.
SELECT xxHash64(contact), contact, address, name, title, account, domain, role, owner, status, source, created_at
FROM contacts(as_of = {as_of:DateTime64(3)})
WHERE status != ''
ORDER BY address, contact
