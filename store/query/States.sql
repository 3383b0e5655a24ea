-- A row is what we know of one thing of a kind: its latest registration, and whether its newest word is that it is gone and,
-- if so, into what it was merged.
SELECT
    subject,
    argMax(id, (at, received_at, id))    AS last_id,
    max(at)                              AS last_at,
    argMaxIf(attrs, (at, received_at, id), kind = {kind:String}) AS last_attrs,
    argMax(kind, (at, received_at, id)) = 'retracted'            AS gone,
    if(gone, argMax(attrs, (at, received_at, id))['into'], '')   AS merged
FROM
(
    SELECT multiIf({kind:String} = 'content', toString(content), {kind:String} = 'contact', contact, deal) AS subject, kind, id, at, received_at, attrs
    FROM facts(as_of = {as_of:DateTime64(3)})
    WHERE kind IN ({kind:String}, 'retracted')
)
WHERE subject IN {subjects:Array(String)}
GROUP BY subject
