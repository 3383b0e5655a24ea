-- Each row of people that says who is being erased goes.
ALTER TABLE people DELETE WHERE contact IN (SELECT was FROM erasing) SETTINGS mutations_sync = 2
