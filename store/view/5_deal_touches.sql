-- A row is one touch of one deal, with the rule that tied them: explicit (the link was made for the
-- deal), contact (one of the people is on the deal) or account (the company has this one deal only).
-- The first rule that applies wins. A touch may belong to several deals of a contact.
CREATE OR REPLACE VIEW deal_touches AS
WITH
    by_contact AS
    (
        SELECT arrayJoin(contacts) AS contact, groupArray(deal) AS on_deals
        FROM deals(as_of = {as_of:DateTime64(3)})
        GROUP BY contact
    ),
    by_account AS
    (
        SELECT domain, any(deal) AS only_deal
        FROM deals(as_of = {as_of:DateTime64(3)})
        WHERE domain != ''
        GROUP BY domain
        HAVING count() = 1
    ),
    people_of AS
    (
        SELECT t.id AS id, t.content AS content, arraySort(groupUniqArrayArray(c.on_deals)) AS contact_deals, arraySort(groupUniqArrayIf(a.only_deal, a.only_deal != '')) AS account_deals
        FROM (SELECT id, content, arrayJoin(contacts) AS contact FROM touches(as_of = {as_of:DateTime64(3)}) WHERE deal = '') AS t
        LEFT JOIN by_contact AS c ON c.contact = t.contact
        LEFT JOIN (SELECT contact, domain FROM contacts(as_of = {as_of:DateTime64(3)})) AS k ON k.contact = t.contact
        LEFT JOIN by_account AS a ON a.domain = k.domain
        GROUP BY id, content
    )
SELECT
    t.id AS id, t.at AS at, t.kind AS kind, t.agent AS agent, t.probability AS probability, t.content AS content,
    t.share AS share, t.rep AS rep, t.contacts AS contacts,
    arrayJoin(multiIf(t.deal != '', [t.deal], notEmpty(p.contact_deals), p.contact_deals, length(p.account_deals) = 1, p.account_deals, [])) AS deal,
    multiIf(t.deal != '', 'explicit', notEmpty(p.contact_deals), 'contact', 'account') AS rule
FROM touches(as_of = {as_of:DateTime64(3)}) AS t
LEFT JOIN people_of AS p ON p.id = t.id AND p.content = t.content
