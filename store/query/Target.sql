-- A row is the registered content that a token's 40 bits (in hex) stand for, with its state.
SELECT content, attrs
FROM contents(as_of = {as_of:DateTime64(3)})
WHERE substring(SHA256(content), 1, 5) = unhex({key:String})
ORDER BY content
LIMIT 1
