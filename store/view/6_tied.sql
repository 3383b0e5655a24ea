-- A row is one touch with the deals it is tied to and the rule that tied them: explicit (the link was made
-- for the deal), contact (one of the people is on the deal) or account (the company has this one deal only).
-- The first rule that applies wins; a touch may belong to several deals of a contact, or to none.
CREATE OR REPLACE VIEW tied AS
SELECT
    id, at, kind, agent, probability, level, content, share, message, rep, contacts,
    multiIf(explicit != '', [explicit], notEmpty(of_contact), of_contact, length(of_account) = 1, of_account, []) AS deals,
    multiIf(explicit != '', 'explicit', notEmpty(of_contact), 'contact', length(of_account) = 1, 'account', '') AS rule
FROM
(
    SELECT
        t.id AS id, t.content AS content, any(t.at) AS at, any(t.kind) AS kind, any(t.agent) AS agent, any(t.probability) AS probability,
        any(t.level) AS level, any(t.share) AS share, any(t.message) AS message, any(t.rep) AS rep, any(t.contacts) AS contacts,
        any(t.deal) AS explicit,
        arraySort(groupUniqArrayArray(c.deals))                         AS of_contact,
        arraySort(groupUniqArrayIf(a.only_deal, a.only_deal != ''))     AS of_account
    FROM
    (
        SELECT *, arrayJoin(if(empty(contacts), [''], contacts)) AS contact
        FROM touches(as_of = {as_of:DateTime64(3)})
    ) AS t
    LEFT JOIN
    (
        SELECT contact, groupArray(deal) AS deals
        FROM (SELECT deal, arrayJoin(contacts) AS contact FROM deals(as_of = {as_of:DateTime64(3)}))
        GROUP BY contact
    ) AS c ON c.contact = t.contact
    LEFT JOIN
    (
        SELECT contact, domain FROM contacts(as_of = {as_of:DateTime64(3)})
    ) AS k ON k.contact = t.contact
    LEFT JOIN
    (
        SELECT domain, any(deal) AS only_deal
        FROM deals(as_of = {as_of:DateTime64(3)})
        WHERE domain != ''
        GROUP BY domain
        HAVING count() = 1
    ) AS a ON a.domain = if(t.contact = '', t.account, k.domain)
    GROUP BY t.id, t.content
)
