-- A row is what one lead, by a hash, did before a time, at a level of agents: in the week that ends then, and since an earlier
-- time. Only what nobody else can have done counts. An answer counts whether or not a content was in the mail.
WITH kind IN ('clicked', 'viewed', 'replied') AND content != '' AND level >= {level:UInt8} AS earns, at >= {from:DateTime64(3)} AS recent
SELECT
    person,
    uniqExactIf(if(message = '', xxHash64(id), xxHash64(message)), kind = 'sent' AND recent) AS sent,
    countIf(kind = 'clicked' AND earns AND recent)                     AS clicks,
    countIf(kind = 'viewed' AND earns AND recent)                      AS views,
    uniqExactIf(id, kind = 'replied' AND recent)                       AS replies,
    uniqExactIf(id, earns AND at >= {since:DateTime64(3)})             AS lately,
    maxIf(at, earns)                                                   AS last_touch,
    maxIf(at, kind = 'sent')                                           AS last_mail
FROM resolved(as_of = {as_of:DateTime64(3)}) AS r
WHERE kind IN ('sent', 'clicked', 'viewed', 'replied') AND at < {to:DateTime64(3)} AND person IN
(
    SELECT xxHash64(contact) FROM contact_states(as_of = {as_of:DateTime64(3)}) AS c WHERE status != ''
)
GROUP BY person
