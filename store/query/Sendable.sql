-- A row is one registered content that can be sent at a time: published, not expired, and without a successor that can
-- be; with how many reps sent it and how often, once for each message and contact.
WITH c AS
(
    SELECT content, title, kind, stage, persona, version, attrs['successor'] AS successor
    FROM contents(as_of = {as_of:DateTime64(3)})
    WHERE published_at <= {now:DateTime64(3)} AND (toUnixTimestamp64Milli(expires_at) = 0 OR expires_at > {now:DateTime64(3)})
)
SELECT c.content, c.title, c.kind, c.stage, c.persona, c.version, s.reps, s.sent
FROM c
LEFT JOIN
(
    SELECT content, reps, sent FROM content_counts(as_of = {as_of:DateTime64(3)}) AS n WHERE counted_at = 1
) AS s ON s.content = c.content
WHERE c.successor = c.content OR c.successor NOT IN (SELECT toString(content) FROM c)
ORDER BY c.content
