-- A row is one lead, a contact to whom the CRM gives a status, that a review may have a reason to talk about, with what they did before the end
-- of the week at a level of agents: in the week, and since an earlier time. It is new, did enough, or something became of its deals in the week. Only
-- what nobody else can have done counts. An answer counts whether or not a content was in the mail.
SELECT
    contact, address, name, title, account, domain, role, owner, status, source, created_at,
    t.sent, t.clicks, t.views, t.replies, t.lately, t.last_touch, t.last_mail
FROM contacts(as_of = {as_of:DateTime64(3)}) AS c
LEFT JOIN
(
    WITH kind IN ('clicked', 'viewed', 'replied') AND content != '' AND level >= {level:UInt8} AS earns, at >= {from:DateTime64(3)} AS recent
    SELECT
        person,
        uniqExactIf(if(message = '', xxHash64(id), xxHash64(message)), kind = 'sent' AND recent) AS sent,
        countIf(kind = 'clicked' AND earns AND recent) AS clicks,
        countIf(kind = 'viewed' AND earns AND recent)  AS views,
        uniqExactIf(id, kind = 'replied' AND recent)   AS replies,
        uniqExactIf(id, earns)                         AS lately,
        maxIf(at, earns)                               AS last_touch,
        maxIf(at, kind = 'sent')                       AS last_mail
    FROM resolved(as_of = {as_of:DateTime64(3)}) AS r
    WHERE kind IN ('sent', 'clicked', 'viewed', 'replied') AND person != 0 AND at >= {since:DateTime64(3)} AND at < {to:DateTime64(3)}
    GROUP BY person
) AS t ON t.person = xxHash64(c.contact)
WHERE status != '' AND
(
    t.replies > 0 OR t.clicks >= {clicks:UInt64} OR t.lately >= {touches:UInt64} OR created_at >= {born:DateTime64(3)} OR contact IN
    (
        SELECT arrayJoin(contacts) FROM deals(as_of = {as_of:DateTime64(3)}) AS d
        WHERE closed_at >= {from:DateTime64(3)} AND closed_at < {to:DateTime64(3)} OR deal IN
        (
            SELECT deal FROM staged(as_of = {as_of:DateTime64(3)}) AS s WHERE at >= {from:DateTime64(3)} AND at < {to:DateTime64(3)}
        )
    )
)
ORDER BY address, contact
