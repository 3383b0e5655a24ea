-- A row is one registered content as a rep looks for it, with how often it was mailed: once for each message
-- and contact.
SELECT c.content, c.title, c.kind, c.stage, c.persona, c.version, c.tags, c.expires_at, s.sent
FROM contents(as_of = {as_of:DateTime64(3)}) AS c
LEFT JOIN
(
    SELECT content, uniqExact((if(message = '', hex(id), message), contact)) AS sent
    FROM facts(as_of = {as_of:DateTime64(3)})
    WHERE kind = 'sent'
    GROUP BY content
) AS s ON s.content = c.content
ORDER BY c.content
