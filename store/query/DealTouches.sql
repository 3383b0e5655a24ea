-- A row is the touches of one deal before a time at a level of agents: clicks, views and replies, and what
-- of them and of sends was at or after another time. last_mail is of any mail with its people, without content too.
WITH
    kind IN ('clicked', 'viewed', 'replied') AND content != '' AND level >= {level:UInt8} AS earns,
    at >= {from:DateTime64(3)} AS recent
SELECT
    any(e.deal),
    countIf(earns AND once = 0) + uniqExactIf(once, earns AND once != 0) AS touches,
    maxIf(at, earns)                                           AS last_touch,
    maxIf(at, kind IN ('sent', 'replied'))                     AS last_mail,
    countIf(kind = 'clicked' AND earns AND recent)             AS clicks,
    uniqExactIf(if(once = 0, mail, once), kind = 'replied' AND earns AND recent) AS replies,
    uniqExactIf(xxHash64(mail, people, content), kind = 'sent' AND content != '' AND recent) AS sent
FROM deal_events(as_of = {as_of:DateTime64(3)}) AS e
WHERE at < {to:DateTime64(3)} AND deal IN
(
    -- Without names, those that a review of a week, from the one time to the other, may have in a section.
    SELECT deal FROM deals(as_of = {as_of:DateTime64(3)}) AS d
    WHERE if(notEmpty({deals:Array(String)}), deal IN {deals:Array(String)}, status = 'open' OR closed_at >= {from:DateTime64(3)} OR created_at >= {from:DateTime64(3)})
)
GROUP BY xxHash64(e.deal)
