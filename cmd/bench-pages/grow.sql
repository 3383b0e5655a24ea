-- A row is the registration of one contact; four of ten are leads.
INSERT INTO events (id, kind, at, received_at, source, contact, account, attrs)
WITH {until:DateTime64(3)} - toIntervalDay(730) AS epoch
SELECT toFixedString(concat(repeat(char(0), 6), substring(sipHash128('contact', no), 1, 10)), 16), 'contact', created, created, 'csv', contact, concat('co', toString(intDiv(no, 5)), '.example'),
    map('account', concat('Company ', toString(intDiv(no, 5))), 'role', ['buyer', 'user', 'technical', 'finance', 'sponsor'][1 + no % 5], 'status', if(no % 5 < 2, ['new', 'open', 'working'][1 + no % 3], ''),
        'owner', concat('rep', toString(intDiv(no, 5) % 200), '@us.example'), 'created_at', formatDateTime(created, '%Y-%m-%dT%H:%i:%SZ'), 'source', ['fair', 'web', 'partner'][1 + no % 3])
FROM (SELECT no, contact, epoch + toIntervalSecond(cityHash64(no, 'created') % (86400 * 729)) AS created FROM bench_contacts);
-- A row is who one contact is.
INSERT INTO people (contact, address, name, title, rank)
SELECT contact, address, concat('Person ', toString(no)), 'Head of something', 1 FROM bench_contacts;
-- A row is the registration of one deal, of three people of one company.
INSERT INTO events (id, kind, at, received_at, source, deal, account, attrs)
WITH {until:DateTime64(3)} - toIntervalDay(730) AS epoch, number AS d, d % {accounts:UInt64} AS company,
    epoch + toIntervalSecond(cityHash64(d, 'created') % (86400 * 700)) AS created,
    created + toIntervalSecond(86400 * 20 + cityHash64(d, 'closed') % (86400 * 150)) AS closed,
    cityHash64(d, 'won') % 100 AS luck, closed < {until:DateTime64(3)} AND luck < 85 AS over
SELECT toFixedString(concat(repeat(char(0), 6), substring(sipHash128('deal', d), 1, 10)), 16), 'deal', if(over, closed, created), if(over, closed, created), 'csv', concat('D', toString(d)), concat('co', toString(company), '.example'),
    map('name', concat('Deal ', toString(d)), 'account', concat('Company ', toString(company)), 'amount', concat(toString(1000 + cityHash64(d, 'amount') % 90000), '.50'), 'currency', if(d % 10 = 0, 'USD', 'EUR'),
        'stage', multiIf(NOT over, ['Qualified', 'Demo', 'Proposal'][1 + d % 3], luck < 25, 'Won', 'Lost'), 'status', multiIf(NOT over, 'open', luck < 25, 'won', 'lost'), 'owner', concat('rep', toString(company % 200), '@us.example'),
        'created_at', formatDateTime(created, '%Y-%m-%dT%H:%i:%SZ'), 'closed_at', if(over, formatDateTime(closed, '%Y-%m-%dT%H:%i:%SZ'), ''), 'loss_reason', if(over AND luck >= 25, ['price', 'timing', 'competitor'][1 + d % 3], ''),
        'contacts', arrayStringConcat(arrayMap(i -> joinGet('bench_contacts', 'contact', toUInt32(company * 5 + i)), [0, 1, 2]), ' '), 'segment', ['small', 'middle', 'large'][1 + d % 3], 'team', concat('team ', toString(company % 200 % 8)))
FROM numbers({deals:UInt64});
-- A row is one stage that one deal entered.
INSERT INTO events (id, kind, at, received_at, source, deal, stage)
WITH {until:DateTime64(3)} - toIntervalDay(730) AS epoch, number AS d
SELECT toFixedString(concat(substring(unhex(leftPad(hex(toUnixTimestamp64Milli(entered)), 16, '0')), 3, 6), substring(sipHash128('staged', d, k), 1, 10)), 16), 'staged', entered, entered, 'csv', concat('D', toString(d)), ['Qualified', 'Demo', 'Proposal'][k]
FROM (SELECT number, k, epoch + toIntervalSecond(cityHash64(number, 'created') % (86400 * 700) + intDiv((20 * 86400 + cityHash64(number, 'closed') % (86400 * 150)) * (k - 1), 4)) AS entered
    FROM numbers({deals:UInt64}) ARRAY JOIN [1, 2, 3] AS k WHERE cityHash64(number, k, 'reach') % 100 < [100, 70, 45][k])
WHERE entered < {until:DateTime64(3)};
-- A row is the registration of one content.
INSERT INTO events (id, kind, at, received_at, source, content, attrs)
SELECT toFixedString(concat(repeat(char(0), 6), substring(sipHash128('content', number), 1, 10)), 16), 'content', {until:DateTime64(3)} - toIntervalDay(730), {until:DateTime64(3)} - toIntervalDay(730), 'csv',
    concat('doc-', leftPad(toString(number), 3, '0')), map('title', concat('Document ', toString(number)), 'kind', ['case', 'guide', 'demo', 'price', 'deck'][1 + number % 5], 'url', concat('https://site.example/doc-', toString(number)), 'stage', ['Qualified', 'Demo', 'Proposal'][1 + number % 3], 'persona', ['buyer', 'user'][1 + number % 2])
FROM numbers(500)
