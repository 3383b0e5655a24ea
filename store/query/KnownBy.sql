-- A row is there if we knew anything of the CRM by a time.
SELECT 1 FROM facts(as_of = {as_of:DateTime64(3)}) WHERE kind IN ('contact', 'deal', 'staged') LIMIT 1
