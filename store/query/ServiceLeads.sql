-- A row is one lead created in a period: when, and when we learned of it; the epoch if it was in the first import, or nobody says
-- when it was created.
SELECT contact, address, name, account, domain, owner, status, begun, learned
FROM
(
    SELECT
        c.contact AS contact, c.address AS address, c.name AS name, c.account AS account, c.domain AS domain, c.owner AS owner, c.status AS status,
        if(c.created_at > toDateTime64(0, 3, 'UTC'), c.created_at, k.known_at) AS begun,
        if(c.created_at > toDateTime64(0, 3, 'UTC') AND c.created_at >= k.first_at, k.known_at, toDateTime64(0, 3, 'UTC')) AS learned
    FROM contacts(as_of = {as_of:DateTime64(3)}) AS c
    INNER JOIN
    (
        SELECT contact, min(received_at) AS known_at, min(min(received_at)) OVER () AS first_at
        FROM facts(as_of = {as_of:DateTime64(3)})
        WHERE kind = 'contact'
        GROUP BY contact
    ) AS k ON k.contact = c.contact
    WHERE c.status != ''
)
WHERE begun >= {from:DateTime64(3)} AND begun < {to:DateTime64(3)}
ORDER BY begun, contact
