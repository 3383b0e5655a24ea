-- A row is what another share stands for, or a mail that somebody answered, as in the view bindings.
INSERT INTO snapshot_bindings (snapshot, key, content, rep, deal, share, contacts)
WITH
    several AS
    (
        SELECT xxHash64(share) AS link
        FROM facts(as_of = {as_of:DateTime64(3)}) AS f
        WHERE kind IN ('shared', 'sent') AND share != '' AND contact != ''
        GROUP BY share
        HAVING min(xxHash64(contact)) != max(xxHash64(contact))
    ),
    mails AS
    (
        SELECT DISTINCT xxHash64(message) AS mail
        FROM facts(as_of = {as_of:DateTime64(3)}) AS f
        WHERE kind NOT IN ('sent', 'shared') AND share = '' AND message != ''
    )
SELECT
    {snapshot:String},
    lookup.1 AS key,
    argMin(content, id)               AS content,
    argMinIf(rep, id, rep != '')      AS rep,
    argMinIf(deal, id, deal != '')    AS deal,
    argMinIf(share, id, share != '')  AS share,
    arraySort(groupUniqArrayIf(contact, contact != '')) AS contacts
FROM
(
    SELECT
        arrayJoin(arrayConcat(if(of_several, [(share, '')], []), if(answered, [(message, toString(content)), (concat(message, ' ', content), toString(content))], []))) AS lookup,
        id, content, rep, share, contact,
        -- Only the making of a link says which deal it is for; the mail that carries it inherits that.
        if(own_deal != '' OR share = '', own_deal, made.of_link) AS deal
    FROM
    (
        SELECT
            id, content, rep, share, contact, message, deal AS own_deal,
            kind = 'sent' AND content != '' AND message != '' AND xxHash64(message) IN (SELECT mail FROM mails) AS answered,
            share != '' AND xxHash64(share) IN (SELECT link FROM several)                                         AS of_several
        FROM facts(as_of = {as_of:DateTime64(3)}) AS f
        WHERE kind IN ('shared', 'sent')
    ) AS f
    LEFT ANY JOIN
    (
        SELECT share, max(deal) AS of_link FROM facts(as_of = {as_of:DateTime64(3)}) AS f
        WHERE kind IN ('shared', 'sent') AND share != '' AND deal != ''
        GROUP BY share
    ) AS made ON made.share = f.share
    WHERE answered OR of_several
)
GROUP BY lookup
