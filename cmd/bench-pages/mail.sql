-- A row is one mail with a tracked link, or what followed from it: machines and people that fetched the pixel or the link, views and answers.
-- Mails come in the order of time, as they do; what follows one lies at most nine days later.
INSERT INTO events (id, kind, at, received_at, source, content, share, message, contact, account, rep, agent, probability, rules)
WITH
    {until:DateTime64(3)} - toIntervalDay(730) AS epoch,
    [('sent', 100), ('opened', 63), ('clicked', 44), ('clicked', 50), ('viewed', 19), ('replied', 12)] AS follows
SELECT
    toFixedString(concat(substring(unhex(leftPad(hex(toUnixTimestamp64Milli(moment)), 16, '0')), 3, 6), substring(sipHash128(n, k), 1, 10)), 16),
    kind, moment, moment, if(kind IN ('sent', 'replied'), 'mail', 'track'), content,
    if(kind = 'replied', '', concat('s', toString(n))), if(kind IN ('sent', 'replied'), concat('m', toString(n)), ''),
    if(kind IN ('sent', 'replied'), contact, ''), if(kind = 'sent', company, ''), if(kind = 'sent', rep, ''),
    multiIf(k = 2, 'proxy', k = 3, 'human', k = 4, 'scanner', ''), multiIf(k = 2, 0.9, k = 3, 0.95, k = 4, 0.99, 0), if(k = 4, ['burst'], [])
FROM
(
    SELECT
        n, k, follows[k].1 AS kind,
        least(epoch + toIntervalSecond(intDiv(86400 * 729 * n, {all:UInt64})) + toIntervalMillisecond(if(k = 1, 0, cityHash64(n, k, 'later') % 777600000)), {until:DateTime64(3)}) AS moment,
        toUInt32(cityHash64(n, 'contact') % ({accounts:UInt64} * 5)) AS no,
        joinGet('bench_contacts', 'contact', no) AS contact,
        concat('co', toString(intDiv(no, 5)), '.example') AS company, concat('rep', toString(intDiv(no, 5) % 200), '@us.example') AS rep,
        concat('doc-', leftPad(toString(toUInt64(500 * pow((cityHash64(n, 'content') % 1000000) / 1000000, 2))), 3, '0')) AS content
    FROM (SELECT number AS n FROM numbers({from:UInt64}, {n:UInt64}))
    ARRAY JOIN [1, 2, 3, 4, 5, 6] AS k
    WHERE cityHash64(n, k, 'follows') % 100 < follows[k].2
)
ORDER BY moment
