-- A row is one stage in which one content was sent to people of deals, and one role of who got it: how many deals, people and reps that
-- were, and of the deals, each counted from the first send to that role in that stage, how many entered another stage or were won
-- within 30 days, were lost within them, stayed, and how many have days left. A deal that was in no stage yet is in ''.
WITH
    30 * 86400 AS horizon,
    {now:DateTime64(3)} AS now_at
SELECT
    stage, role,
    toUInt64(count())                                                   AS deals,
    toUInt64(length(groupUniqArrayArray(people)))                       AS people_reached,
    toUInt64(length(groupUniqArrayArray(reps)))                         AS senders,
    countIf(outcome = 'moved')                                          AS moved,
    countIf(outcome = 'lost')                                           AS lost,
    countIf(outcome = 'stayed')                                         AS stayed,
    countIf(outcome = 'early')                                          AS early
FROM
(
    SELECT
        h.deal AS deal, h.stage AS stage, h.role AS role, h.people AS people, h.reps AS reps,
        arrayFirst(s -> s.1 > h.first, h.stages).1                       AS next_at,
        multiIf(
            next_at > h.first AND next_at <= h.first + horizon,                                                              'moved',
            d.status = 'won' AND d.closed_at > h.first AND d.closed_at <= h.first + horizon,                                 'moved',
            d.status = 'lost' AND toUnixTimestamp64Milli(d.closed_at) > 0 AND d.closed_at <= h.first + horizon,              'lost',
            h.first + horizon > now_at AND NOT (d.status IN ('won', 'lost') AND toUnixTimestamp64Milli(d.closed_at) > 0),    'early',
            'stayed') AS outcome
    FROM
    (
        SELECT
            x.deal AS deal, arrayLast(s -> s.1 <= x.at, t.stages).3 AS stage, c.role AS role, min(x.at) AS first,
            groupUniqArray(xxHash64(x.person)) AS people, groupUniqArrayIf(x.rep, x.rep != '') AS reps, any(t.stages) AS stages
        FROM
        (
            SELECT arrayJoin(deals) AS deal, at, rep, contacts[1] AS person
            FROM tied(as_of = {as_of:DateTime64(3)}) AS t
            WHERE kind = 'sent' AND content = {content:String}
        ) AS x
        LEFT ANY JOIN (SELECT deal, arraySort(groupArray((at, id, stage))) AS stages FROM staged(as_of = {as_of:DateTime64(3)}) AS r GROUP BY deal) AS t ON t.deal = x.deal
        LEFT ANY JOIN (SELECT contact, role FROM contact_states(as_of = {as_of:DateTime64(3)}) AS k WHERE role != '') AS c ON c.contact = x.person
        GROUP BY deal, stage, role
    ) AS h
    INNER JOIN (SELECT deal, status, closed_at FROM deals(as_of = {as_of:DateTime64(3)}) AS g) AS d ON d.deal = h.deal
)
GROUP BY stage, role
ORDER BY deals DESC, stage, role
