-- A row is one rep who sent a content, or any when it is empty, with how that went at a level of agents: sends, people reached, links
-- clicked and mails answered. Hashes are counted in a tenth of the time that texts take.
WITH
    multiIf(share != '', xxHash64(share), notEmpty(contacts), xxHash64(contacts), xxHash64(id)) AS carrier,
    if(message = '', xxHash64(id), xxHash64(message)) AS mail
SELECT
    rep,
    uniqExactIf(xxHash64(mail, contacts), kind = 'sent'),
    uniqExactArrayIf(contacts, kind = 'sent'),
    uniqExactIf(carrier, kind = 'clicked' AND level >= {level:UInt8} AND withheld = ''),
    uniqExactIf(mail, kind = 'replied' AND level >= {level:UInt8})
FROM resolved(as_of = {as_of:DateTime64(3)})
WHERE kind IN ('sent', 'clicked', 'replied') AND content = {content:String} AND rep != ''
GROUP BY rep
ORDER BY rep
