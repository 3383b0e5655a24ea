-- A row is one of the given event IDs (in hex) that is stored.
SELECT DISTINCT id FROM events WHERE id IN arrayMap(x -> toFixedString(unhex(x), 16), {ids:Array(String)})
