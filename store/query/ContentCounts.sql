-- A row is what happened to one content at a level of agents. A touch without a share counts once for its
-- candidates; one that may name nobody is no link's that could be counted. The deals it touched are listed
-- only for a single content. Hashes are counted in a tenth of the time that texts take.
SELECT
    content, reps, sent, reached, opened, opens, clicked, clicks, nameless, replied, machine,
    length(touched),
    toUInt64(arrayCount(d -> (d, 'won') IN (SELECT deal, status FROM deals(as_of = {as_of:DateTime64(3)}) AS known WHERE status IN ('won', 'lost')), touched)),
    toUInt64(arrayCount(d -> (d, 'lost') IN (SELECT deal, status FROM deals(as_of = {as_of:DateTime64(3)}) AS known WHERE status IN ('won', 'lost')), touched)),
    last_sent,
    if({content:String} = '', [], touched)
FROM
(
    WITH
        multiIf(share != '', xxHash64(share), notEmpty(contacts), xxHash64(contacts), xxHash64(id)) AS carrier,
        if(message = '', xxHash64(id), xxHash64(message)) AS mail
    SELECT
        content,
        uniqExactIf(rep, kind = 'sent' AND rep != '')                         AS reps,
        uniqExactIf(xxHash64(mail, contacts), kind = 'sent')                   AS sent,
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
