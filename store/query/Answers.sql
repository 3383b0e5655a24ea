-- A row is the latest answer to one request. An empty deal means those of all.
SELECT request, answered_at, said.1, said.2, said.3, said.4
FROM
(
    SELECT attrs['request'] AS request, max(at) AS answered_at, argMax((toString(rep), note, toString(content), attrs['declined'] = 'yes'), (at, received_at, id)) AS said
    FROM facts(as_of = {as_of:DateTime64(3)})
    WHERE kind = 'answered' AND ({deal:String} = '' OR deal = {deal:String})
    GROUP BY request
)
