-- A row is one rep and what came of the mail, at a level of agents. A touch without a share counts once for
-- its candidates.
WITH multiIf(share != '', share, notEmpty(contacts), arrayStringConcat(contacts, ' '), hex(id)) AS carrier
SELECT rep, counted.sent, counted.contents, counted.reached, counted.clicked, counted.replied, owned.won
FROM
(
    SELECT
        toString(touches.rep) AS rep,
        uniqExactIf((if(message = '', hex(id), message), contacts, content), kind = 'sent') AS sent,
        uniqExactIf(content, kind = 'sent')                                        AS contents,
        uniqExactArrayIf(contacts, kind = 'sent')                                  AS reached,
        uniqExactIf((content, carrier), kind = 'clicked' AND level >= {level:UInt8}) AS clicked,
        uniqExactIf(if(message = '', hex(id), message), kind = 'replied' AND level >= {level:UInt8}) AS replied
    FROM touches(as_of = {as_of:DateTime64(3)}) AS touches
    WHERE touches.rep != ''
    GROUP BY rep
) AS counted
FULL JOIN
(
    SELECT lower(owner) AS rep, count() AS won
    FROM deals(as_of = {as_of:DateTime64(3)})
    WHERE owner != '' AND status = 'won'
    GROUP BY rep
) AS owned USING (rep)
ORDER BY rep
