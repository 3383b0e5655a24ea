-- A row is one contact in its latest state with who that is: those that keys names, or those of a domain. It is what the view contacts
-- says, but only of who is asked for.
SELECT known.contact AS contact, who.address AS address, who.name, who.title, account, domain, role, owner, status, source, created_at
FROM contact_states(as_of = {as_of:DateTime64(3)}) AS known
LEFT JOIN
(
    SELECT contact, address, name, title FROM people FINAL
    WHERE if({by:String} = 'domain', contact IN (SELECT contact FROM contact_states(as_of = {as_of:DateTime64(3)}) AS c WHERE domain IN {keys:Array(String)}), contact IN {keys:Array(String)})
) AS who ON who.contact = known.contact
WHERE if({by:String} = 'domain', domain IN {keys:Array(String)}, known.contact IN {keys:Array(String)})
ORDER BY address, contact
