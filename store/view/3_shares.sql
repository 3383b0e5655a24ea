-- A row is one share: what a tracked link stands for. contacts are the people it was made for and those
-- it was mailed to; with several of them a click is "one of N".
CREATE OR REPLACE VIEW shares AS
SELECT
    share,
    argMin(content, (at, id))                                     AS content,
    argMinIf(rep, (at, id), rep != '')                            AS rep,
    argMinIf(deal, (at, id), deal != '')                          AS deal,
    arraySort(groupUniqArrayIf(contact, contact != ''))           AS contacts,
    arraySort(groupUniqArrayIf(message, message != ''))           AS messages,
    minIf(at, kind = 'sent')                                      AS sent_at
FROM facts(as_of = {as_of:DateTime64(3)})
WHERE share != '' AND kind IN ('shared', 'sent')
GROUP BY share
