-- A row is one registered content as a rep looks for it, with how often it was mailed: once for each message
-- and contact.
SELECT c.content, c.title, c.kind, c.stage, c.persona, c.version, c.tags, c.expires_at, s.sent
FROM contents(as_of = {as_of:DateTime64(3)}) AS c
LEFT JOIN
(
    SELECT content, sent FROM content_counts(as_of = {as_of:DateTime64(3)}) WHERE counted_at = 1
) AS s ON s.content = c.content
ORDER BY c.content
