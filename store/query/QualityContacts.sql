-- A row is one contact whose address is not known or not one, with how many such there are.
SELECT contact, address, count() OVER () AS total
FROM contacts(as_of = {as_of:DateTime64(3)})
WHERE NOT match(address, '^[^@\\s]+@[^@\\s]+\\.[^@\\s.]+$')
ORDER BY created_at DESC, contact
LIMIT {limit:UInt64}
