-- A row is what happened to one content at a level of agents, as in ContentCounts, but only what some reps sent, what was with
-- people of deals or companies of one segment and size, and what was within a time. observable and stale are of these sends too.
SELECT
    content, reps, sent, reached, opened, opens, clicked, clicks, nameless, replied, machine,
    length(touched),
    toUInt64(arrayCount(d -> (d, 'won') IN (SELECT deal, status FROM deals(as_of = {as_of:DateTime64(3)}) AS known WHERE status IN ('won', 'lost')), touched)),
    toUInt64(arrayCount(d -> (d, 'lost') IN (SELECT deal, status FROM deals(as_of = {as_of:DateTime64(3)}) AS known WHERE status IN ('won', 'lost')), touched)),
    last_sent, stale, observable, least(observable, opened)
FROM
(
    WITH
        multiIf(share != '', xxHash64(share), notEmpty(contacts), xxHash64(contacts), xxHash64(id)) AS carrier,
        if(message = '', xxHash64(id), xxHash64(message)) AS mail
    SELECT
        content,
        uniqExactIf(rep, kind = 'sent' AND rep != '')                         AS reps,
        uniqExactIf(xxHash64(mail, contacts), kind = 'sent')                   AS sent,
        uniqExactIf(xxHash64(mail, contacts), kind = 'sent' AND has(rules, 'stale')) AS stale,
        uniqExactIf(xxHash64(mail, contacts), kind = 'sent' AND signal != 'unobservable' AND source != 'csv') AS observable,
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
        AND at >= {since:DateTime64(3)} AND at < {until:DateTime64(3)}
        AND (empty({reps:Array(String)}) OR rep IN {reps:Array(String)})
        AND ({segment:String} = '' AND {size:String} = ''
            OR arrayExists(d -> d IN
            (
                SELECT deal FROM segments(as_of = {as_of:DateTime64(3)}) AS s
                WHERE ({segment:String} = '' OR segment = {segment:String}) AND ({size:String} = '' OR size = {size:String})
            ), deals)
            OR arrayExists(c -> c IN
            (
                SELECT contact FROM contacts(as_of = {as_of:DateTime64(3)}) AS p
                WHERE domain IN
                (
                    SELECT domain FROM segments(as_of = {as_of:DateTime64(3)}) AS s
                    WHERE domain != '' AND ({segment:String} = '' OR segment = {segment:String}) AND ({size:String} = '' OR size = {size:String})
                )
            ), contacts))
    GROUP BY content
)
