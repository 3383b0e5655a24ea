-- A row is a contact who is forgotten.
INSERT INTO expiring (was, becomes)
