-- bad_entries took the place of bad before the first release.
DROP TABLE IF EXISTS bad
