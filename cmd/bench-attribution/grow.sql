-- A row is the registration of one deal. Deals begin in the order of their numbers, over 500 days.
INSERT INTO events (id, kind, at, received_at, source, deal, account, attrs)
WITH toDateTime64('2025-01-01 00:00:00', 3, 'UTC') AS epoch, number AS d,
    epoch + toIntervalSecond(intDiv(86400 * 500 * 7 * d, {all:UInt64})) AS created,
    created + toIntervalSecond(86400 * 20 + cityHash64(d, 'closed') % (86400 * 180)) AS closed,
    cityHash64(d, 'won') % 100 AS luck
SELECT toFixedString(concat(repeat(char(0), 6), substring(sipHash128('deal', d), 1, 10)), 16), 'deal', created, created, 'csv', concat('D', toString(d)), concat('co', toString(d), '.example'),
    map('name', concat('Deal ', toString(d)), 'account', concat('Company ', toString(d)), 'amount', concat(toString(1000 + cityHash64(d, 'amount') % 90000), '.50'), 'currency', if(d % 10 = 0, 'USD', 'EUR'),
        'stage', if(luck < 23, 'Won', if(luck < 80, 'Lost', 'Demo')), 'status', multiIf(luck < 23, 'won', luck < 80, 'lost', 'open'), 'owner', concat('rep', toString(d % 200), '@us.example'),
        'created_at', formatDateTime(created, '%Y-%m-%dT%H:%i:%SZ'), 'closed_at', if(luck < 80, formatDateTime(closed, '%Y-%m-%dT%H:%i:%SZ'), ''),
        'contacts', concat('c', toString(2 * d), ' c', toString(2 * d + 1)), 'segment', ['small', 'middle', 'large'][1 + d % 3])
FROM numbers(toUInt64({from:UInt64} / 7), toUInt64({n:UInt64} / 7));
-- A row is the registration of one contact: every other one is known to the CRM.
INSERT INTO events (id, kind, at, received_at, source, contact, account, attrs)
SELECT toFixedString(concat(repeat(char(0), 6), substring(sipHash128('contact', number), 1, 10)), 16), 'contact', toDateTime64('2025-01-01 00:00:00', 3, 'UTC'), toDateTime64('2025-01-01 00:00:00', 3, 'UTC'), 'csv',
    concat('c', toString(2 * number)), concat('co', toString(number), '.example'), map('account', concat('Company ', toString(number)), 'role', 'buyer')
FROM numbers(toUInt64({from:UInt64} / 7), toUInt64({n:UInt64} / 7));
-- A row is the registration of one content. The same ones again are copies.
INSERT INTO events (id, kind, at, received_at, source, content, attrs)
SELECT toFixedString(concat(repeat(char(0), 6), substring(sipHash128('content', number), 1, 10)), 16), 'content', toDateTime64('2025-01-01 00:00:00', 3, 'UTC'), toDateTime64('2025-01-01 00:00:00', 3, 'UTC'), 'csv',
    concat('doc-', leftPad(toString(number), 3, '0')), map('title', concat('Document ', toString(number)), 'kind', ['case', 'guide', 'demo', 'price', 'deck'][1 + number % 5])
FROM numbers(500);
-- A row is one stage that one deal entered, or one click, view or reply by a contact of a deal, between its beginning and its end.
-- They come in the order of time, as events do.
INSERT INTO events (id, kind, at, received_at, source, deal, stage, content, contact, account, rep, agent, probability)
WITH toDateTime64('2025-01-01 00:00:00', 3, 'UTC') AS epoch
SELECT toFixedString(concat(substring(unhex(leftPad(hex(toUnixTimestamp64Milli(at)), 16, '0')), 3, 6), substring(sipHash128(kind = 'staged', n), 1, 10)), 16),
    kind, at, at, if(kind = 'staged', 'csv', 'track'), if(kind = 'staged', concat('D', toString(d)), ''), stage,
    content, contact, if(kind = 'staged', '', concat('co', toString(d), '.example')), if(kind = 'staged', '', concat('rep', toString(d % 200), '@us.example')),
    if(kind = 'clicked', 'human', ''), if(kind = 'clicked', 0.95, 0)
FROM
(
    SELECT
        number * 3 + k AS n, number AS d, 'staged' AS kind, ['Qualified', 'Demo', 'Proposal'][k] AS stage, '' AS content, '' AS contact,
        epoch + toIntervalSecond(intDiv(86400 * 500 * 7 * d, {all:UInt64})) + toIntervalSecond(intDiv((20 * 86400 + cityHash64(d, 'closed') % (86400 * 180)) * (k - 1), 4)) AS at
    FROM numbers(toUInt64({from:UInt64} / 7), toUInt64({n:UInt64} / 7))
    ARRAY JOIN [1, 2, 3] AS k
    WHERE cityHash64(d, k, 'reach') % 100 < [100, 70, 45][k]
    UNION ALL
    SELECT
        number AS n, toUInt64({from:UInt64} / 7) + cityHash64(n, 'deal') % toUInt64({n:UInt64} / 7) AS d, multiIf(n % 10 < 7, 'clicked', n % 10 < 9, 'viewed', 'replied') AS kind, '' AS stage,
        concat('doc-', leftPad(toString(toUInt64(500 * pow((cityHash64(n, 'content') % 1000000) / 1000000, 2))), 3, '0')) AS content, concat('c', toString(2 * d + n % 2)) AS contact,
        epoch + toIntervalSecond(intDiv(86400 * 500 * 7 * d, {all:UInt64})) + toIntervalSecond(cityHash64(n, 'at') % (20 * 86400 + cityHash64(d, 'closed') % (86400 * 180))) AS at
    FROM numbers({from:UInt64}, {n:UInt64})
)
ORDER BY at
