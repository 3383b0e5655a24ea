-- A row is one of the given events (IDs in hex) that is stored, in its newest revision.
SELECT id, revision, kind, at, received_at, source, content, deal, stage
FROM facts(as_of = {as_of:DateTime64(3)})
WHERE id IN (SELECT toFixedString(unhex(arrayJoin({ids:Array(String)})), 16)) -- a constant array would be searched from its beginning for each row
