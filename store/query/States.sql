-- A row is what the latest registration says of one thing of a kind.
SELECT
    subject,
    argMax(id, (at, received_at, id))    AS last_id,
    max(at)                              AS last_at,
    argMax(attrs, (at, received_at, id)) AS last_attrs
FROM
(
    SELECT multiIf(kind = 'content', toString(content), kind = 'contact', contact, deal) AS subject, id, at, received_at, attrs
    FROM facts(as_of = {as_of:DateTime64(3)})
    WHERE kind = {kind:String}
)
WHERE subject IN {subjects:Array(String)}
GROUP BY subject
