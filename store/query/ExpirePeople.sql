-- Each row of people that says who is forgotten goes.
ALTER TABLE people DELETE WHERE contact IN (SELECT was FROM expiring) SETTINGS mutations_sync = 2
