-- A row is one event of one content with the deals it is tied to and the rule that tied them: explicit (it names the deal, or its
-- link was made for it), assigned (a person said so), contact (who caused it is on the deal) or account (it was the company's only
-- open deal). The first rule that applies wins; an event may belong to several deals of a contact, or to none. confidence, 0 to 1,
-- is how sure it is that it is about each of them. See docs/association.md.
CREATE OR REPLACE VIEW tied AS
SELECT
    r.id AS id, r.at AS at, r.kind AS kind, r.source AS source, r.content AS content, r.share AS share, r.message AS message,
    r.contact AS contact, r.contacts AS contacts, r.deal AS deal, r.account AS account, r.rep AS rep, r.stage AS stage, r.note AS note,
    r.agent AS agent, r.probability AS probability, r.rules AS rules, r.signal AS signal, r.level AS level,
    r.led_to AS led_to, r.withheld AS withheld, r.person AS person, r.once AS once,
    multiIf(
        r.deal != '' AND empty(k.told), [r.deal],
        r.deal != '', k.told,
        k.told_until >= r.at, k.told,
        k.theirs_until >= r.at, k.theirs,
        k.only_until >= r.at AND k.only_since < r.at, k.only,
        k.theirs) AS deals,
    multiIf(
        r.deal != '', 'explicit',
        k.told_until >= r.at, 'assigned',
        k.theirs_until >= r.at, 'contact',
        k.only_until >= r.at AND k.only_since < r.at, k.only_rule,
        if(empty(k.theirs), '', 'contact')) AS rule,
    toFloat32(multiIf(
        r.deal != '' OR k.told_until >= r.at, 1,
        k.theirs_until >= r.at,               k.sure / greatest(arrayCount(d -> d.1 >= r.at, k.among), 1),
        k.only_until >= r.at AND k.only_since < r.at, if(k.only_rule = 'account', 0.6, 1),
        empty(k.theirs), 0,
        k.sure / length(k.theirs))) AS confidence
FROM resolved(as_of = {as_of:DateTime64(3)}) AS r
LEFT JOIN ties(as_of = {as_of:DateTime64(3)}) AS k
    ON k.key = multiIf(r.kind IN ('deal', 'staged', 'retracted'), '', r.deal != '', concat('deal ', r.deal), length(r.contacts) = 1, r.contacts[1], notEmpty(r.contacts), r.share, toString(r.account))
