-- A row is what a share, or a mail that somebody answered, stands for: the content that a rep sent with it,
-- and to whom. key is the share, the message, or message and content; a message with two contents is a row
-- for each. contacts are the people whose link it can be: those that it was made for and those that it was
-- mailed to, but of a mail to several only the one that it was made for. A link that is in several mails has
-- in mailed when each went out, with whose link it could be from then on.
CREATE OR REPLACE VIEW bindings AS
WITH
    arrayMap(m -> if(hasAny(m.2, made), arrayIntersect(m.2, made), m.2), mails) AS named
SELECT
    key, content, rep, deal, share,
    arraySort(arrayDistinct(arrayConcat(made, arrayFlatten(named)))) AS contacts,
    if(length(mails) < 2, [],
        arrayMap((m, n) -> (m.1, arraySort(arrayDistinct(arrayConcat(made, arrayFlatten(arraySlice(named, 1, n)))))), arraySlice(mails, 1, 50), arrayEnumerate(arraySlice(mails, 1, 50)))) AS mailed
FROM
(
    SELECT
        lookup.1 AS key,
        argMin(mail_content, first_id)              AS content,
        argMinIf(mail_rep, first_id, mail_rep != '')     AS rep,
        argMinIf(mail_deal, first_id, mail_deal != '')   AS deal,
        argMinIf(mail_share, first_id, mail_share != '') AS share,
        groupUniqArrayArrayIf(mail_contacts, mail = '')  AS made,
        arraySort(groupArrayIf((sent_at, mail_contacts), mail != '')) AS mails
    FROM
    (
        -- A row is one key in one mail, or, with mail empty, as it was made.
        SELECT
            lookup,
            multiIf(kind = 'shared', '', message = '', hex(id), message) AS mail,
            min(id) AS first_id,
            min(at) AS sent_at,
            argMin(content, id)              AS mail_content,
            argMinIf(rep, id, rep != '')     AS mail_rep,
            argMinIf(deal, id, deal != '')   AS mail_deal,
            argMinIf(share, id, share != '') AS mail_share,
            groupUniqArrayIf(contact, contact != '') AS mail_contacts
        FROM
        (
            SELECT
                arrayJoin(if(answered, [(share, ''), (message, toString(content)), (concat(message, ' ', content), toString(content))], [(share, '')])) AS lookup,
                kind = 'sent' AND message IN (SELECT message FROM facts(as_of = {as_of:DateTime64(3)}) WHERE kind NOT IN ('sent', 'shared') AND share = '' AND message != '') AS answered,
                id, at, kind, content, rep, share, contact, message,
                -- Only the making of a link says which deal it is for; the mail that carries it inherits that.
                if(deal != '' OR share = '', deal, max(deal) OVER (PARTITION BY share)) AS deal
            FROM facts(as_of = {as_of:DateTime64(3)})
            WHERE kind IN ('shared', 'sent')
        )
        WHERE lookup.1 != ''
        GROUP BY lookup, mail
    )
    GROUP BY lookup
)
