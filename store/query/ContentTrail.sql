-- A row is one event of one content in a content's trail.
SELECT
    r.id, r.at, r.kind, r.content, known.title, r.contacts, r.rep, r.deal, r.stage, r.note,
    r.agent, r.probability, r.rules, r.source, '' AS rule
FROM resolved(as_of = {as_of:DateTime64(3)}) AS r
LEFT JOIN (SELECT content, title FROM contents(as_of = {as_of:DateTime64(3)})) AS known ON known.content = r.content
WHERE r.content = {content:String}
ORDER BY r.at DESC, r.id DESC, r.content DESC
LIMIT {limit:UInt64}
