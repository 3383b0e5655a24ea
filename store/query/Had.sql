-- A row is one content that the people of one deal have had, and when last: it was sent to one of them, or what was
-- done with it is tied to the deal.
SELECT had, max(had_at)
FROM
(
    SELECT toString(content) AS had, at AS had_at
    FROM resolved(as_of = {as_of:DateTime64(3)})
    WHERE kind IN ('sent', 'forwarded') AND content != ''
        AND hasAny(contacts, (SELECT groupArrayArray(contacts) FROM deals(as_of = {as_of:DateTime64(3)}) WHERE deal = {deal:String}))
    UNION ALL
    SELECT toString(content), at
    FROM tied(as_of = {as_of:DateTime64(3)})
    WHERE has(deals, {deal:String}) AND kind IN ('sent', 'opened', 'clicked', 'viewed', 'replied', 'forwarded') AND content != '' AND level >= {level:UInt8}
)
GROUP BY had
