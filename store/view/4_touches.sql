-- A row is one event of one content, resolved: clicks and opens through their share, replies through the
-- mail they answer. contacts are the candidates; several mean "one of N". A reply to a mail with two
-- contents is two touches of one id.
CREATE OR REPLACE VIEW touches AS
SELECT
    e.id AS id, e.at AS at, e.kind AS kind, e.agent AS agent, e.probability AS probability,
    if(e.content != '', e.content, if(s.content != '', s.content, m.content)) AS content,
    if(e.share != '', e.share, m.share)                                       AS share,
    if(e.rep != '', e.rep, if(s.rep != '', s.rep, m.rep))                     AS rep,
    multiIf(e.deal != '', e.deal, s.deal != '', s.deal, m.deal)               AS deal,
    multiIf(e.contact != '', [e.contact], notEmpty(s.contacts), s.contacts, m.contacts) AS contacts
FROM
(
    SELECT id, at, kind, agent, probability, content, share, message, rep, deal, contact
    FROM facts(as_of = {as_of:DateTime64(3)})
    WHERE kind IN ('sent', 'opened', 'clicked', 'viewed', 'replied')
) AS e
LEFT JOIN shares(as_of = {as_of:DateTime64(3)}) AS s ON s.share = e.share AND e.share != ''
LEFT JOIN messages(as_of = {as_of:DateTime64(3)}) AS m ON m.message = e.message AND e.message != '' AND e.kind = 'replied' AND (e.content = '' OR e.content = m.content)
WHERE content != ''
