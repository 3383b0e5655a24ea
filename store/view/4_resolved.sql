-- A row is one event of one content, resolved: clicks and opens through their share, replies through the
-- mail they answer. contacts are the candidates; several mean "one of N". An event of no content is one
-- row; a reply to a mail with two contents is two rows of one id. level is the strictest level of agents
-- at which a report counts it: 3 strict, 2 likely, 1 all, 0 never.
CREATE OR REPLACE VIEW resolved AS
SELECT
    e.id AS id, e.at AS at, e.received_at AS received_at, e.kind AS kind, e.source AS source,
    multiIf(e.content != '', e.content, s.content != '', s.content, m.content) AS content,
    if(e.share != '', e.share, m.share)                                        AS share,
    e.message AS message,
    multiIf(e.contact != '', [e.contact], notEmpty(s.contacts), s.contacts, m.contacts) AS contacts,
    e.account AS account,
    multiIf(e.rep != '', e.rep, s.rep != '', s.rep, m.rep)                     AS rep,
    multiIf(e.deal != '', e.deal, s.deal != '', s.deal, m.deal)                AS deal,
    e.stage AS stage, e.agent AS agent, e.probability AS probability, e.rules AS rules, e.signal AS signal,
    multiIf(
        e.agent = '' OR (e.agent = 'human' AND e.probability >= toFloat32(0.9)), 3,
        e.agent IN ('human', 'proxy'), 2,
        e.agent = 'self', 0,
        1) AS level,
    e.note AS note
FROM (SELECT * FROM facts(as_of = {as_of:DateTime64(3)})) AS e
LEFT JOIN shares(as_of = {as_of:DateTime64(3)}) AS s ON s.share = e.share AND e.share != ''
LEFT JOIN messages(as_of = {as_of:DateTime64(3)}) AS m ON m.message = e.message AND e.kind = 'replied' AND e.message != '' AND (e.content = '' OR e.content = m.content)
