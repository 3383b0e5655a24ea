-- runs got more columns before the first release, together with credits.
DROP TABLE IF EXISTS runs
