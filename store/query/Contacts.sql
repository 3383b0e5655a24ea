-- A row is one contact in its latest state: those that keys names, or those of a domain.
SELECT contact, address, name, title, account, domain, role, owner, status, source, created_at
FROM contacts(as_of = {as_of:DateTime64(3)})
WHERE if({by:String} = 'domain', domain IN {keys:Array(String)}, contact IN {keys:Array(String)})
ORDER BY address, contact
