-- A row is one row of contact_states with who that is, which only the table people knows.
CREATE OR REPLACE VIEW contacts AS
SELECT
    known.contact AS contact,
    who.address   AS address,
    who.name      AS name,
    who.title     AS title,
    account, domain, role, owner, status, source, created_at, attrs, id
FROM contact_states(as_of = {as_of:DateTime64(3)}) AS known
LEFT JOIN (SELECT contact, address, name, title FROM people FINAL) AS who ON who.contact = known.contact
