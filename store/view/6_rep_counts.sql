-- A row is one rep and what came of the mail at one level of agents, 1 to 3 as in the view resolved. A touch without a share counts once
-- for its candidates; one mail of two contents is sent twice.
CREATE OR REPLACE VIEW rep_counts AS
SELECT rep, counted_at, sent, contents, reached, clicked, replied
FROM
(
    WITH
        multiIf(share != '', xxHash64(share), notEmpty(contacts), xxHash64(contacts), xxHash64(id)) AS carrier,
        if(message = '', xxHash64(id), xxHash64(message)) AS mail
    SELECT
        rep,
        uniqExactIf(xxHash64(mail, contacts, content), kind = 'sent') AS sent,
        uniqExactIf(content, kind = 'sent')                          AS contents,
        uniqExactArrayIf(arrayMap(c -> xxHash64(c), contacts), kind = 'sent') AS reached,
        [uniqExactIf(xxHash64(content, carrier), kind = 'clicked' AND level >= 1 AND withheld = ''), uniqExactIf(xxHash64(content, carrier), kind = 'clicked' AND level >= 2 AND withheld = ''), uniqExactIf(xxHash64(content, carrier), kind = 'clicked' AND level >= 3 AND withheld = '')] AS all_clicked,
        [uniqExactIf(mail, kind = 'replied' AND level >= 1), uniqExactIf(mail, kind = 'replied' AND level >= 2), uniqExactIf(mail, kind = 'replied' AND level >= 3)] AS all_replied
    FROM resolved(as_of = {as_of:DateTime64(3)}) AS r
    WHERE rep != '' AND content != '' AND kind IN ('sent', 'clicked', 'replied')
    GROUP BY rep
)
ARRAY JOIN [1, 2, 3] AS counted_at, all_clicked AS clicked, all_replied AS replied
