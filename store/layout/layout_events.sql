-- A row is one event of one content with the deals that it is tied to, as in the view tied. What parties and companies say comes from what
-- was laid out before, by hashes; only deals get their names back.
INSERT INTO layout_events (layout, id, at, kind, source, content, share, message, contact, contacts, account, rep, deal, stage, note, agent, probability, rules, signal, level, led_to, withheld, deals, rule, confidence, person, once)
WITH
    names AS (SELECT deal, name FROM snapshot_deals WHERE snapshot = {snapshot:String}),

    -- A row is one event with the keys of what may tie it: of a party to deals, which may be a deal itself, and of a company's deals.
    keyed AS
    (
        SELECT
            *,
            toUnixTimestamp64Milli(at) AS at_ms,
            notEmpty(contacts) AS of_people,
            multiIf(
                kind IN ('deal', 'staged', 'retracted'), 0,
                deal != '',                              xxHash64(concat('deal ', deal)),
                length(contacts) = 1,                    xxHash64(contacts[1]),
                of_people,                               intHash64(xxHash64(share)),
                account != '',                           xxHash64(toString(account)),
                0) AS party,
            multiIf(party = 0 OR deal != '', 0, length(contacts) > 1, xxHash64(share), party) AS company
        FROM resolved(as_of = {as_of:DateTime64(3)}) AS r
    ),

    -- A row is one party that is not just one person with one deal, with its deals by name; see the view ties.
    several AS
    (
        SELECT party, any(told_until) AS told_until, any(untils) AS untils, any(until) AS until, any(sure) AS sure, groupArrayIf(name, x.1 = 1) AS told, groupArrayIf(name, x.1 = 0) AS deals
        FROM
        (
            SELECT party, told_until, untils, until, sure, arrayJoin(arrayConcat(arrayMap(d -> (1, d), told), arrayMap(d -> (0, d), snapshot_parties.deals))) AS x
            FROM snapshot_parties
            WHERE snapshot = {snapshot:String} AND deal = 0 AND person
        ) AS p
        INNER JOIN names ON names.deal = x.2
        GROUP BY party
    )
SELECT
    {snapshot:String}, id, at, kind, source, content, share, message, contact, contacts, account, rep, deal, stage, note, agent, probability, rules, signal, level, led_to, withheld,
    multiIf(
        deal != '' AND empty(told),    [deal],
        deal != '' OR by_word,         told,
        by_company AND NOT by_contact, [only],
        own != '',                     [own],
        of_people,                     theirs,
        []),
    multiIf(
        deal != '',                    'explicit',
        by_word,                       'assigned',
        by_contact,                    'contact',
        by_company,                    only_rule,
        own != '' OR of_people AND notEmpty(theirs), 'contact',
        '') AS tied_by,
    toFloat32(multiIf(
        deal != '' OR by_word,         1,
        tied_by = '',                  0,
        by_company AND NOT by_contact, if(only_rule = 'account', 0.6, 1),
        own != '',                     0.95,
        sure / if(by_contact, greatest(arrayCount(until -> until >= at_ms, untils), 1), length(theirs)))),
    person, once
FROM
(
    SELECT
        t.*,
        p.name AS own, q.told AS told, q.deals AS theirs, q.untils AS untils, q.sure AS sure, c.name AS only, c.rule AS only_rule,
        q.told_until >= at_ms                              AS by_word,
        of_people AND greatest(p.until, q.until) >= at_ms  AS by_contact,
        c.until >= at_ms AND c.since < at_ms               AS by_company
    FROM keyed AS t
    LEFT ANY JOIN
    (
        SELECT party, until, n.name AS name
        FROM (SELECT party, until, deal FROM snapshot_parties WHERE snapshot = {snapshot:String} AND deal != 0) AS one
        INNER JOIN names AS n ON n.deal = one.deal
    ) AS p ON p.party = t.party
    LEFT ANY JOIN several AS q ON q.party = t.party
    LEFT ANY JOIN
    (
        SELECT key, until, since, rule, n.name AS name
        FROM (SELECT key, until, since, rule, deal FROM snapshot_companies WHERE snapshot = {snapshot:String}) AS one
        INNER JOIN names AS n ON n.deal = one.deal
    ) AS c ON c.key = t.company
)
SETTINGS max_insert_threads = 2
