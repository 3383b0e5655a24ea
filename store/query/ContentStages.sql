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
        if(n.at > h.first, n.at, toDateTime64('2299-01-01', 3, 'UTC'))   AS next_at,
        multiIf(
            next_at <= h.first + horizon,                                                                                    'moved',
            d.status = 'won' AND d.closed_at > h.first AND d.closed_at <= h.first + horizon,                                 'moved',
            d.status = 'lost' AND toUnixTimestamp64Milli(d.closed_at) > 0 AND d.closed_at <= h.first + horizon,              'lost',
            h.first + horizon > now_at AND NOT (d.status IN ('won', 'lost') AND toUnixTimestamp64Milli(d.closed_at) > 0),    'early',
            'stayed') AS outcome
    FROM
    (
        SELECT x.deal AS deal, if(s.at > toDateTime64(0, 3, 'UTC'), s.stage, '') AS stage, c.role AS role, min(x.at) AS first, groupUniqArray(x.person) AS people, groupUniqArrayIf(x.rep, x.rep != '') AS reps
        FROM
        (
            SELECT arrayJoin(deals) AS deal, at, rep, contacts[1] AS person
            FROM tied(as_of = {as_of:DateTime64(3)}) AS t
            WHERE kind = 'sent' AND content = {content:String}
        ) AS x
        ASOF LEFT JOIN (SELECT deal, at, stage FROM staged(as_of = {as_of:DateTime64(3)}) AS r) AS s ON s.deal = x.deal AND x.at >= s.at
        LEFT JOIN (SELECT contact, role FROM contact_states(as_of = {as_of:DateTime64(3)}) AS k) AS c ON c.contact = x.person
        GROUP BY deal, stage, role
    ) AS h
    ASOF LEFT JOIN (SELECT deal, at FROM staged(as_of = {as_of:DateTime64(3)}) AS r) AS n ON n.deal = h.deal AND n.at > h.first
    INNER JOIN (SELECT deal, status, closed_at FROM segments(as_of = {as_of:DateTime64(3)}) AS g) AS d ON d.deal = h.deal
)
GROUP BY stage, role
ORDER BY deals DESC, stage, role
