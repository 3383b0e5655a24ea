-- A row is one rep and what came of the mail, at a level of agents. A touch without a share counts once for
-- its candidates; one mail of two contents is sent twice.
WITH
    multiIf(share != '', share, notEmpty(contacts), arrayStringConcat(contacts, ' '), hex(id)) AS carrier,
    if(message = '', hex(id), message) AS mail
SELECT
    rep,
    uniqExactIf((mail, contacts, content), kind = 'sent'),
    uniqExactIf(content, kind = 'sent'),
    uniqExactArrayIf(contacts, kind = 'sent'),
    uniqExactIf((content, carrier), kind = 'clicked' AND level >= {level:UInt8} AND withheld = ''),
    uniqExactIf(mail, kind = 'replied' AND level >= {level:UInt8})
FROM resolved(as_of = {as_of:DateTime64(3)})
WHERE rep != '' AND content != '' AND kind IN ('sent', 'clicked', 'replied')
GROUP BY rep
