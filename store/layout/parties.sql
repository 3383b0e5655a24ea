-- A row is one party to deals, as in the view parties. The view gathers every deal from its events; most deals have neither a person's
-- word nor a merge, and their parties are those that they list. A test holds the two together.
INSERT INTO snapshot_parties (snapshot, party, told, told_until, denied, deals, untils, until, deal, person)
WITH
    -- A row is one party of one deal for which a person's word or a merge counts; word as in snapshot_words.
    special AS
    (
        SELECT deal, party, max(word) AS word, max(person) AS person
        FROM
        (
            SELECT deal, party, word, true AS person FROM snapshot_words WHERE snapshot = {snapshot:String}
            UNION ALL
            SELECT deal, xxHash64(arrayJoin(arrayPushBack(contacts, domain)) AS name), 0, name != domain FROM snapshot_deals
            WHERE snapshot = {snapshot:String} AND deal IN (SELECT deal FROM snapshot_words WHERE snapshot = {snapshot:String})
        )
        WHERE party != xxHash64('')
        GROUP BY deal, party
    ),

    -- A row is one party of one deal, as above.
    pairs AS
    (
        SELECT deal, until_ms, xxHash64(name) AS party, 0 AS word, name != domain AS person
        FROM (SELECT deal, until_ms, domain, arrayJoin(arrayDistinct(arrayPushBack(contacts, domain))) AS name FROM snapshot_deals WHERE snapshot = {snapshot:String} AND until_ms > 0)
        WHERE name != '' AND deal NOT IN (SELECT deal FROM snapshot_words WHERE snapshot = {snapshot:String})
        UNION ALL
        SELECT special.deal, until_ms, party, word, person
        FROM special
        INNER JOIN (SELECT deal, until_ms FROM snapshot_deals WHERE snapshot = {snapshot:String} AND until_ms > 0 AND deal IN (SELECT deal FROM snapshot_words WHERE snapshot = {snapshot:String})) AS known ON known.deal = special.deal
    )
SELECT
    {snapshot:String}, party,
    groupArrayIf(deal, word = 1), maxIf(until_ms, word = 1),
    groupArrayIf(deal, word = 2),
    groupArrayIf(deal, word != 2) AS all, groupArrayIf(until_ms, word != 2), maxIf(until_ms, word != 2),
    if(max(word) = 0 AND length(all) = 1 AND max(pairs.person), all[1], 0), max(pairs.person)
FROM pairs
GROUP BY party
SETTINGS max_insert_threads = 4
