-- A row is one contact in its latest state, without who it is: from the CRM, else as first seen in mail. One that
-- the CRM retracted, its newest word, is not there, whatever mail knows of it.
CREATE OR REPLACE VIEW contact_states AS
SELECT
    contact,
    last_attrs['account'] AS account,
    domain,
    last_attrs['role']    AS role,
    last_attrs['owner']   AS owner,
    last_attrs['status']  AS status,
    last_attrs['source']  AS source,
    parseDateTime64BestEffortOrZero(last_attrs['created_at'], 3, 'UTC') AS created_at,
    last_attrs AS attrs,
    last_id    AS id
FROM
(
    SELECT
        contact,
        argMaxIf(attrs, (at, received_at, id), kind = 'contact') AS last_attrs,
        argMaxIf(id, (at, received_at, id), kind = 'contact')    AS last_id,
        argMaxIf(account, (kind = 'contact', at, received_at, id), account != '') AS domain,
        argMaxIf(kind, (at, received_at, id), kind IN ('contact', 'retracted')) AS last_word
    FROM facts(as_of = {as_of:DateTime64(3)})
    WHERE contact != '' AND kind != 'listed' -- who is only on a list is nobody we know
    GROUP BY contact
    HAVING last_word != 'retracted'
)
