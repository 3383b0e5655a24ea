-- A row is one of the given events (IDs in hex) with its attributes, and when its newest revision was made.
SELECT id, attrs, revised_at
FROM facts(as_of = {as_of:DateTime64(3)})
WHERE id IN (SELECT toFixedString(unhex(arrayJoin({ids:Array(String)})), 16))
