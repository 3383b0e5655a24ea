-- A row is one touch of one deal, as in the view deal_touches, or, with undecided, one that the only open deal of a company may get.
INSERT INTO snapshot_touches (snapshot, deal, at_ms, id, content, rep, burst, kind, level, rule, confidence, undecided)
WITH
    (SELECT (groupArray(name), groupArray(no)) FROM snapshot_names WHERE snapshot = {snapshot:String} AND what = 'content') AS contents,
    (SELECT (groupArray(name), groupArray(no)) FROM snapshot_names WHERE snapshot = {snapshot:String} AND what = 'rep') AS reps,

    -- A row is one touch with the keys of what may tie it: of a party to deals, which may be a deal itself, and of a company's deals.
    touches AS
    (
        SELECT
            id, toUnixTimestamp64Milli(at) AS at_ms, xxHash64(contacts, content, kind) AS burst, kind, level,
            transform(content, contents.1, contents.2, toUInt32(0)) AS content_no,
            transform(rep, reps.1, reps.2, toUInt32(0)) AS rep_no,
            if(deal = '', 0, xxHash64(deal)) AS named,
            multiIf(deal != '', xxHash64(concat('deal ', deal)), length(contacts) = 1, xxHash64(contacts[1]), notEmpty(contacts), intHash64(xxHash64(share)), account != '', xxHash64(account), 0) AS party,
            multiIf(deal != '', 0, length(contacts) > 1, xxHash64(share), party) AS company,
            notEmpty(contacts) AS of_people
        FROM resolved(as_of = {as_of:DateTime64(3)}) AS r
        WHERE kind IN ('sent', 'opened', 'clicked', 'viewed', 'replied') AND content != ''
    ),

    -- A row is the same with the rule that ties it, see the view tied. Most parties are one person with one deal (p), which is the
    -- quick way; q are the others.
    ruled AS
    (
        SELECT
            t.*, p.deal AS deal, q.told AS told, q.deals AS deals, q.untils AS untils, q.sure AS sure,
            multiIf(
                named != 0,             'explicit',
                q.told_until >= at_ms,  'assigned',
                of_people AND greatest(p.until, q.until) >= at_ms, 'contact',
                'undecided')::Enum8('undecided' = 0, 'explicit' = 1, 'assigned' = 2, 'contact' = 3) AS rule
        FROM touches AS t
        LEFT ANY JOIN (SELECT party, deal, until FROM snapshot_parties WHERE snapshot = {snapshot:String} AND deal != 0) AS p ON p.party = t.party
        LEFT ANY JOIN (SELECT party, told, told_until, deals, untils, until, sure FROM snapshot_parties WHERE snapshot = {snapshot:String} AND deal = 0 AND person) AS q ON q.party = t.party
    )
SELECT
    {snapshot:String},
    arrayJoin(multiIf(
        deal != 0,                              [deal],
        rule = 'explicit' AND empty(told),      [named],
        rule IN ('explicit', 'assigned'),       told,
        rule = 'undecided' AND (empty(deals) OR NOT of_people), [0],
        deals)),
    at_ms, id,
    content_no, rep_no,
    burst, kind, level,
    if(rule = 'undecided', 'contact', rule),
    round(1000 * toFloat32(multiIf(
        deal != 0,                        0.95,
        rule IN ('explicit', 'assigned'), 1,
        rule = 'contact',                 sure / greatest(arrayCount(until -> until >= at_ms, untils), 1),
        sure / greatest(length(deals), 1)))),
    if(rule = 'undecided', company, 0)
FROM ruled
WHERE NOT (rule = 'undecided' AND company = 0)
SETTINGS max_insert_threads = 4
