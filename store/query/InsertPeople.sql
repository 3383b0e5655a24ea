-- A row is who one contact is, as one event says.
INSERT INTO people (contact, address, name, title, rank)
