-- A row is one way in which a contact was ever called.
SELECT DISTINCT address, name FROM people WHERE contact = {contact:String} ORDER BY address, name
