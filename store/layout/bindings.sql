-- A row is what a share of one person, or of nobody, stands for, as in the view bindings. Nearly all shares are such, and need no list of people.
INSERT INTO snapshot_bindings (snapshot, key, content, rep, deal, share, contacts)
SELECT
    {snapshot:String}, any(s.share) AS key, argMin(content, no), argMinIf(rep, no, rep != ''), if(argMin(deal, no) != '', argMin(deal, no), max(deal)), key,
    if(max(contact) = '', [], [max(contact)])
FROM
(
    SELECT share, content, rep, deal, contact, reinterpretAsUInt128(reverse(id)) AS no
    FROM facts(as_of = {as_of:DateTime64(3)}) AS f
    WHERE kind IN ('shared', 'sent') AND share != ''
) AS s
GROUP BY xxHash64(s.share)
HAVING minIf(xxHash64(contact), contact != '') = maxIf(xxHash64(contact), contact != '')
SETTINGS max_insert_threads = 2
