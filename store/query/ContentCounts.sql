-- A row is what happened to one content at a level of agents. A touch without a share counts once for its
-- candidates; one that may name nobody is no link's that could be counted. The deals it touched are listed
-- only for a single content.
WITH
    (SELECT (groupArrayIf(deal, status = 'won'), groupArrayIf(deal, status = 'lost')) FROM deals(as_of = {as_of:DateTime64(3)})) AS ended
SELECT
    content, reps, sent, reached, opened, opens, clicked, clicks, nameless, replied, machine,
    length(touched), length(arrayIntersect(touched, ended.1)), length(arrayIntersect(touched, ended.2)), last_sent,
    if({content:String} = '', [], touched)
FROM
(
    WITH
        multiIf(share != '', share, notEmpty(contacts), arrayStringConcat(contacts, ' '), hex(id)) AS carrier,
        if(message = '', hex(id), message) AS mail
    SELECT
        content,
        uniqExactIf(rep, kind = 'sent' AND rep != '')                         AS reps,
        uniqExactIf((mail, contacts), kind = 'sent')                          AS sent,
        uniqExactArrayIf(contacts, kind = 'sent')                             AS reached,
        uniqExactIf(carrier, kind = 'opened' AND level >= {level:UInt8})      AS opened,
        countIf(kind = 'opened' AND level >= {level:UInt8})                   AS opens,
        uniqExactIf(carrier, kind = 'clicked' AND level >= {level:UInt8} AND withheld = '') AS clicked,
        countIf(kind = 'clicked' AND level >= {level:UInt8})                  AS clicks,
        countIf(kind = 'clicked' AND level >= {level:UInt8} AND withheld != '') AS nameless,
        uniqExactIf(mail, kind = 'replied' AND level >= {level:UInt8})        AS replied,
        countIf(kind IN ('clicked', 'opened') AND agent = 'scanner')          AS machine,
        groupUniqArrayArrayIf(deals, kind IN ('clicked', 'viewed', 'replied') AND level >= {level:UInt8}) AS touched,
        maxIf(at, kind = 'sent')                                              AS last_sent
    FROM tied(as_of = {as_of:DateTime64(3)})
    WHERE kind IN ('sent', 'opened', 'clicked', 'viewed', 'replied') AND content != ''
        AND ({content:String} = '' OR content = {content:String})
    GROUP BY content
)
