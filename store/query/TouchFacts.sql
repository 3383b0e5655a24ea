-- A row is one of the given events (IDs in hex): when it was, and who may have caused it as far as that may be said.
SELECT DISTINCT id, at, if(withheld = '', contacts, []) AS named, withheld
FROM resolved(as_of = {as_of:DateTime64(3)})
WHERE id IN (SELECT toFixedString(unhex(arrayJoin({ids:Array(String)})), 16))
