-- A row is who one contact is.
SELECT contact, address, name, title FROM people FINAL WHERE contact IN {contacts:Array(String)}
