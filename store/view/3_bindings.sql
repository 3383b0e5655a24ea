-- A row is what a share or a message stands for: the content that a rep sent with it, and to whom. key is
-- the share or the message. contacts are the people it was made for and those it was mailed to; with
-- several of them a click is "one of N". A message with two contents is two rows.
CREATE OR REPLACE VIEW bindings AS
SELECT
    key,
    content,
    argMinIf(rep, (at, id), rep != '')     AS rep,
    argMinIf(deal, (at, id), deal != '')   AS deal,
    argMinIf(share, (at, id), share != '') AS share,
    arraySort(groupUniqArrayArray(people)) AS contacts
FROM
(
    SELECT
        arrayJoin(if(kind = 'sent' AND message != '', [share, message], [share])) AS key,
        id, at, content, rep, deal, share,
        arrayFilter(c -> c != '', if(kind = 'sent', [contact], splitByChar(' ', attrs['to']))) AS people
    FROM facts(as_of = {as_of:DateTime64(3)})
    WHERE kind IN ('shared', 'sent')
)
WHERE key != ''
GROUP BY key, content
