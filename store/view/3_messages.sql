-- A row is one content in one mail that a rep sent, with all its recipients.
CREATE OR REPLACE VIEW messages AS
SELECT
    message,
    content,
    argMinIf(rep, (at, id), rep != '')     AS rep,
    argMinIf(deal, (at, id), deal != '')   AS deal,
    argMinIf(share, (at, id), share != '') AS share,
    arraySort(groupUniqArray(contact))     AS contacts,
    min(at)                                AS sent_at
FROM facts(as_of = {as_of:DateTime64(3)})
WHERE kind = 'sent' AND message != ''
GROUP BY message, content
