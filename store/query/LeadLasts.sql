-- A row is when one lead last had a touch before a time at a level of agents, and when a rep last wrote to them. Only what nobody else can
-- have done counts.
SELECT
    contacts[1] AS lead,
    maxIf(at, kind IN ('clicked', 'viewed', 'replied') AND content != '' AND level >= {level:UInt8}) AS last_touch,
    maxIf(at, kind = 'sent')                                                                      AS last_mail
FROM resolved(as_of = {as_of:DateTime64(3)})
WHERE kind IN ('sent', 'clicked', 'viewed', 'replied') AND hasAny(contacts, {leads:Array(String)}) AND length(contacts) = 1 AND at < {to:DateTime64(3)}
GROUP BY lead
