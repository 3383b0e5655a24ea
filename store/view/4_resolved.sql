-- A row is one event of one content, resolved through its share or, without one, through its message.
-- contacts are the people who may have caused it: of a link that is in several mails, those who had it by
-- then; several mean "one of N". An event of no content is one row; a reply to a mail with two contents is
-- two rows of one id. A mail sent without content is what it is, whatever else is known of the mail. level is the strictest level of agents at which a report counts it: 3 strict,
-- 2 likely, 1 all, 0 never. person is a hash of the contact if it can be nobody else, once a hash of the event if it may be several rows; else 0.
CREATE OR REPLACE VIEW resolved AS
SELECT
    e.id AS id, e.at AS at, e.kind AS kind, e.source AS source,
    if(e.content != '', e.content, b.content)           AS content,
    if(e.share != '', e.share, b.share)                 AS share,
    e.message AS message,
    e.contact AS contact,
    multiIf(e.contact != '', [e.contact], notEmpty(c.people), c.people, b.contacts) AS contacts,
    e.account AS account,
    if(e.rep != '', e.rep, b.rep)                       AS rep,
    if(e.deal != '', e.deal, b.deal)                    AS deal,
    e.stage AS stage, e.note AS note,
    e.agent AS agent, e.probability AS probability, e.rules AS rules, e.signal AS signal,
    e.led_to AS led_to, e.withheld AS withheld,
    multiIf(
        e.agent = '' OR (e.agent = 'human' AND e.probability >= toFloat32(0.9)), 3,
        e.agent IN ('human', 'proxy'), 2,
        e.agent = 'self', 0,
        1) AS level,
    if(length(contacts) = 1, xxHash64(contacts[1]), 0)                               AS person,
    if(e.share = '' AND e.message != '', reinterpretAsUInt64(substring(e.id, 9)), 0) AS once
FROM facts(as_of = {as_of:DateTime64(3)}) AS e
LEFT JOIN bindings(as_of = {as_of:DateTime64(3)}) AS b
    ON b.key = multiIf(e.share != '', e.share, e.message = '', '', e.content != '', concat(e.message, ' ', e.content), e.kind = 'sent', '', e.message)
LEFT ASOF JOIN crowds(as_of = {as_of:DateTime64(3)}) AS c ON c.share = e.share AND e.at >= c.since
