-- A row is one content and what one lead had and did with it before a time, at a level of agents, the latest first.
SELECT
    contacts[1] AS lead,
    toString(content) AS seen,
    uniqExactIf(if(message = '', hex(id), message), kind = 'sent') AS sent,
    uniqExactIf(id, kind = 'opened')  AS opened,
    uniqExactIf(id, kind = 'clicked') AS clicked,
    uniqExactIf(id, kind = 'viewed')  AS viewed,
    uniqExactIf(id, kind = 'replied') AS replied,
    max(at) AS last_at
FROM resolved(as_of = {as_of:DateTime64(3)})
WHERE kind IN ('sent', 'opened', 'clicked', 'viewed', 'replied') AND content != '' AND level >= {level:UInt8}
    AND hasAny(contacts, {leads:Array(String)}) AND length(contacts) = 1 AND at < {to:DateTime64(3)}
GROUP BY lead, seen
ORDER BY lead, last_at DESC, seen
