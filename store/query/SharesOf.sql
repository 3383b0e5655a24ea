-- A row is one link that was made for, or mailed to, one of some contacts.
SELECT DISTINCT share FROM events WHERE contact IN {contacts:Array(String)} AND share != '' ORDER BY share
