-- A row is one thing of a kind that is there by the word of a source: nobody spoke of it later, nor was it retracted.
SELECT subject
FROM
(
    SELECT multiIf({kind:String} = 'content', toString(content), {kind:String} = 'contact', contact, deal) AS subject, kind, source, id, at, received_at
    FROM facts(as_of = {as_of:DateTime64(3)})
    WHERE kind IN ({kind:String}, 'retracted')
)
WHERE subject != ''
GROUP BY subject
HAVING argMax((toString(kind), toString(source)), (at, received_at, id)) = ({kind:String}, {source:String})
ORDER BY subject
