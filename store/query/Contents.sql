-- A row is one content with what happened to it at a level of agents, and what it earned in a run: credit
-- in 1e-12 deals, value in minor units. A touch without a share counts once for its candidates.
WITH
    kind IN ('clicked', 'viewed', 'replied') AND level >= {level:UInt8} AS earns,
    multiIf(share != '', share, notEmpty(contacts), arrayStringConcat(contacts, ' '), hex(id)) AS carrier
SELECT
    content, if(known.title = '', content, known.title) AS title, known.kind, known.url, known.other_urls, known.stage, known.persona,
    known.version, known.owner, known.tags, known.file, known.file_name, known.published_at, known.expires_at,
    counted.reps, counted.sent, counted.reached, counted.opened, counted.clicked, counted.clicks, counted.replied, counted.machine,
    length(counted.touched)                                      AS deals,
    length(arrayIntersect(counted.touched, ended.won_deals))     AS won,
    length(arrayIntersect(counted.touched, ended.lost_deals))    AS lost,
    counted.last_sent,
    earned.credit, earned.value
FROM (SELECT * FROM contents(as_of = {as_of:DateTime64(3)}) WHERE {content:String} = '' OR content = {content:String}) AS known
FULL JOIN
(
    SELECT
        content,
        uniqExactIf(rep, kind = 'sent' AND rep != '')                                     AS reps,
        uniqExactIf((if(message = '', hex(id), message), contacts), kind = 'sent')        AS sent,
        uniqExactArrayIf(contacts, kind = 'sent')                                         AS reached,
        uniqExactIf(carrier, kind = 'opened' AND level >= {level:UInt8})                  AS opened,
        uniqExactIf(carrier, kind = 'clicked' AND level >= {level:UInt8})                 AS clicked,
        countIf(kind = 'clicked' AND level >= {level:UInt8})                              AS clicks,
        uniqExactIf(if(message = '', hex(id), message), kind = 'replied' AND level >= {level:UInt8}) AS replied,
        countIf(kind IN ('clicked', 'opened') AND agent = 'scanner')                      AS machine,
        groupUniqArrayArrayIf(deals, earns)                                               AS touched,
        maxIf(at, kind = 'sent')                                                          AS last_sent
    FROM tied(as_of = {as_of:DateTime64(3)})
    WHERE {content:String} = '' OR content = {content:String}
    GROUP BY content
) AS counted USING (content)
LEFT JOIN
(
    SELECT content, sum(toInt64(round(share * 1e12))) AS credit, sum(credits.value) AS value
    FROM credits
    WHERE run = {run:String} AND model = {model:String} AND content != '' AND ({content:String} = '' OR content = {content:String})
    GROUP BY content
) AS earned USING (content)
CROSS JOIN
(
    SELECT groupArrayIf(deal, status = 'won') AS won_deals, groupArrayIf(deal, status = 'lost') AS lost_deals
    FROM deals(as_of = {as_of:DateTime64(3)})
) AS ended
ORDER BY content
