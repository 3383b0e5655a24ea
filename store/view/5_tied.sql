-- A row is one event of one content with the deals it is tied to and the rule that tied them: explicit (it
-- names the deal, or its link was made for it), contact (who caused it is on the deal) or account (the
-- company has this one deal only). The first rule that applies wins; an event may belong to several deals
-- of a contact, or to none.
CREATE OR REPLACE VIEW tied AS
SELECT
    r.id AS id, r.at AS at, r.kind AS kind, r.source AS source, r.content AS content, r.share AS share, r.message AS message,
    r.contacts AS contacts, r.rep AS rep, r.stage AS stage, r.note AS note,
    r.agent AS agent, r.probability AS probability, r.rules AS rules, r.signal AS signal, r.level AS level,
    r.led_to AS led_to, r.withheld AS withheld,
    multiIf(r.deal != '', [r.deal], notEmpty(k.of_contacts), k.of_contacts, length(k.of_accounts) = 1, k.of_accounts, []) AS deals,
    multiIf(r.deal != '', 'explicit', notEmpty(k.of_contacts), 'contact', length(k.of_accounts) = 1, 'account', '') AS rule
FROM resolved(as_of = {as_of:DateTime64(3)}) AS r
LEFT JOIN ties(as_of = {as_of:DateTime64(3)}) AS k
    ON k.key = multiIf(length(r.contacts) = 1, r.contacts[1], notEmpty(r.contacts), r.share, toString(r.account))
