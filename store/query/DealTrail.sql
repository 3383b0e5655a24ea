-- A row is one event of one content in a deal's trail: what was tied to the deal, by rule, and what names it.
SELECT
    r.id, r.at, r.kind, r.content, known.title, r.contacts, r.rep, {deal:String} AS deal, r.stage, r.note,
    r.agent, r.probability, r.rules, r.source, tied_by.rule
FROM resolved(as_of = {as_of:DateTime64(3)}) AS r
LEFT JOIN
(
    SELECT id, content, rule FROM deal_touches(as_of = {as_of:DateTime64(3)}) WHERE deal = {deal:String}
) AS tied_by ON tied_by.id = r.id AND tied_by.content = r.content
LEFT JOIN (SELECT content, title FROM contents(as_of = {as_of:DateTime64(3)})) AS known ON known.content = r.content
WHERE (r.deal = {deal:String} OR tied_by.rule != '')
ORDER BY r.at DESC, r.id DESC, r.content DESC
LIMIT {limit:UInt64}
