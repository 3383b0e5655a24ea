-- A row is one share in one mail to one contact, or the making of a link: of the given shares and of those in the same mails.
SELECT share, content, if(kind = 'sent', message, '') AS message, contact, at, received_at
FROM facts(as_of = {as_of:DateTime64(3)})
WHERE share != '' AND (
    kind = 'shared' AND share IN {shares:Array(String)}
    OR kind = 'sent' AND message IN
    (
        SELECT message FROM facts(as_of = {as_of:DateTime64(3)})
        WHERE kind = 'sent' AND share IN {shares:Array(String)} AND message != ''
    ))
ORDER BY at, id
