-- A row is the touches of one deal before a time at a level of agents: clicks, views and replies, and what
-- of them and of sends was at or after another time. last_mail is of any mail with its people, without content too.
WITH
    kind IN ('clicked', 'viewed', 'replied') AND content != '' AND level >= {level:UInt8} AS earns,
    at >= {from:DateTime64(3)} AS recent
SELECT
    deal,
    uniqExactIf(id, earns)                                     AS touches,
    maxIf(at, earns)                                           AS last_touch,
    maxIf(at, kind IN ('sent', 'replied'))                     AS last_mail,
    uniqExactIf(id, kind = 'clicked' AND earns AND recent)     AS clicks,
    uniqExactIf(id, kind = 'replied' AND earns AND recent)     AS replies,
    uniqExactIf((if(message = '', hex(id), message), contacts, content), kind = 'sent' AND content != '' AND recent) AS sent,
    sumMapIf(map(toString(content), toUInt64(1)), earns)       AS by_content
FROM
(
    SELECT id, at, kind, level, content, message, contacts, arrayJoin(deals) AS deal
    FROM tied(as_of = {as_of:DateTime64(3)})
    WHERE kind IN ('sent', 'clicked', 'viewed', 'replied')
)
WHERE at < {to:DateTime64(3)} AND (empty({deals:Array(String)}) OR deal IN {deals:Array(String)})
GROUP BY deal
