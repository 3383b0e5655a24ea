-- A row is what happened to one content at one level of agents, 1 to 3 as in the view resolved. A touch without a share counts once for
-- its candidates; one that may name nobody is no link's that could be counted. Hashes are counted in a tenth of the time that texts take.
CREATE OR REPLACE VIEW content_counts AS
SELECT content, counted_at, reps, sent, reached, opened, opens, clicked, clicks, nameless, replied, machine, deals, won, lost, last_sent
FROM
(
    SELECT
        content, reps, sent, reached, machine, last_sent, all_opened, all_opens, all_clicked, all_clicks, all_nameless, all_replied,
        arrayMap(t -> length(t), touched) AS all_deals,
        arrayMap(t -> toUInt64(arrayCount(d -> d IN (SELECT xxHash64(deal) FROM deals(as_of = {as_of:DateTime64(3)}) AS known WHERE status = 'won'), t)), touched)  AS all_won,
        arrayMap(t -> toUInt64(arrayCount(d -> d IN (SELECT xxHash64(deal) FROM deals(as_of = {as_of:DateTime64(3)}) AS known WHERE status = 'lost'), t)), touched) AS all_lost
    FROM
    (
        WITH
            multiIf(share != '', xxHash64(share), notEmpty(contacts), xxHash64(contacts), xxHash64(id)) AS carrier,
            if(message = '', xxHash64(id), xxHash64(message)) AS mail,
            if(kind IN ('clicked', 'viewed', 'replied'), level, 0) AS touch_level,
            arrayMap(d -> xxHash64(d), deals) AS deal_hashes
        SELECT
            content,
            uniqExactIf(rep, kind = 'sent' AND rep != '')          AS reps,
            uniqExactIf(xxHash64(mail, contacts), kind = 'sent')    AS sent,
            uniqExactArrayIf(arrayMap(c -> xxHash64(c), contacts), kind = 'sent') AS reached,
            countIf(kind IN ('clicked', 'opened') AND agent = 'scanner')          AS machine,
            maxIf(at, kind = 'sent')                               AS last_sent,
            [uniqExactIf(carrier, kind = 'opened' AND level >= 1), uniqExactIf(carrier, kind = 'opened' AND level >= 2), uniqExactIf(carrier, kind = 'opened' AND level >= 3)] AS all_opened,
            [countIf(kind = 'opened' AND level >= 1), countIf(kind = 'opened' AND level >= 2), countIf(kind = 'opened' AND level >= 3)] AS all_opens,
            [uniqExactIf(carrier, kind = 'clicked' AND level >= 1 AND withheld = ''), uniqExactIf(carrier, kind = 'clicked' AND level >= 2 AND withheld = ''), uniqExactIf(carrier, kind = 'clicked' AND level >= 3 AND withheld = '')] AS all_clicked,
            [countIf(kind = 'clicked' AND level >= 1), countIf(kind = 'clicked' AND level >= 2), countIf(kind = 'clicked' AND level >= 3)] AS all_clicks,
            [countIf(kind = 'clicked' AND level >= 1 AND withheld != ''), countIf(kind = 'clicked' AND level >= 2 AND withheld != ''), countIf(kind = 'clicked' AND level >= 3 AND withheld != '')] AS all_nameless,
            [uniqExactIf(mail, kind = 'replied' AND level >= 1), uniqExactIf(mail, kind = 'replied' AND level >= 2), uniqExactIf(mail, kind = 'replied' AND level >= 3)] AS all_replied,
            [groupUniqArrayArrayIf(deal_hashes, touch_level >= 1), groupUniqArrayArrayIf(deal_hashes, touch_level >= 2), groupUniqArrayArrayIf(deal_hashes, touch_level >= 3)] AS touched
        FROM tied(as_of = {as_of:DateTime64(3)}) AS t
        WHERE kind IN ('sent', 'opened', 'clicked', 'viewed', 'replied') AND content != ''
        GROUP BY content
    )
)
ARRAY JOIN
    [1, 2, 3] AS counted_at, all_opened AS opened, all_opens AS opens, all_clicked AS clicked, all_clicks AS clicks, all_nameless AS nameless, all_replied AS replied,
    all_deals AS deals, all_won AS won, all_lost AS lost
