-- A row is what a share, or a mail that somebody answered, stands for: the content that a rep sent with it,
-- and to whom. key is the share, the message, or message and content; a message with two contents is a row
-- for each. contacts are all the people that it was ever made for or mailed to; see crowds for several.
CREATE OR REPLACE VIEW bindings AS
SELECT
    lookup.1 AS key,
    argMin(content, id)               AS content,
    argMinIf(rep, id, rep != '')      AS rep,
    argMinIf(deal, id, deal != '')    AS deal,
    argMinIf(share, id, share != '')  AS share,
    arraySort(groupUniqArrayIf(contact, contact != '')) AS contacts
FROM
(
    SELECT
        arrayJoin(if(answered, [(share, ''), (message, toString(content)), (concat(message, ' ', content), toString(content))], [(share, '')])) AS lookup,
        kind = 'sent' AND content != '' AND message IN (SELECT message FROM facts(as_of = {as_of:DateTime64(3)}) WHERE kind NOT IN ('sent', 'shared') AND share = '' AND message != '') AS answered,
        id, content, rep, share, contact,
        -- Only the making of a link says which deal it is for; the mail that carries it inherits that.
        if(deal != '' OR share = '', deal, max(deal) OVER (PARTITION BY share)) AS deal
    FROM facts(as_of = {as_of:DateTime64(3)})
    WHERE kind IN ('shared', 'sent')
)
WHERE lookup.1 != ''
GROUP BY lookup
