-- A row is one lead created in a period: when, when we learned of it (the epoch: it was in the first import, or nobody says when it
-- was created), when a rep first wrote to it from then on and who, and whether one had written in the 90 days before.
SELECT
    l.contact, l.address, l.name, l.account, l.domain, l.owner, l.status, l.begun, l.learned,
    (arrayFirst(x -> x.1 >= l.begun, m.mails) AS answer).1, answer.2,
    arrayExists(x -> x.1 < l.begun AND x.1 >= l.begun - INTERVAL 90 DAY, m.mails)
FROM
(
    SELECT
        c.contact AS contact, c.address AS address, c.name AS name, c.account AS account, c.domain AS domain, c.owner AS owner, c.status AS status,
        if(c.created_at > toDateTime64(0, 3, 'UTC'), c.created_at, k.known_at) AS begun,
        if(c.created_at > toDateTime64(0, 3, 'UTC') AND c.created_at >= (SELECT min(received_at) FROM facts(as_of = {as_of:DateTime64(3)}) WHERE kind = 'contact'),
            k.known_at, toDateTime64(0, 3, 'UTC')) AS learned
    FROM contacts(as_of = {as_of:DateTime64(3)}) AS c
    INNER JOIN
    (
        SELECT contact, min(received_at) AS known_at FROM facts(as_of = {as_of:DateTime64(3)}) WHERE kind = 'contact' GROUP BY contact
    ) AS k ON k.contact = c.contact
    WHERE c.status != ''
) AS l
LEFT JOIN
(
    SELECT contact, arraySort(groupArray((at, toString(rep)))) AS mails
    FROM resolved(as_of = {as_of:DateTime64(3)})
    WHERE kind = 'sent' AND contact != '' AND at >= {from:DateTime64(3)} - INTERVAL 90 DAY
    GROUP BY contact
) AS m ON m.contact = l.contact
WHERE l.begun >= {from:DateTime64(3)} AND l.begun < {to:DateTime64(3)}
ORDER BY l.begun, l.contact
