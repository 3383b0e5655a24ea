-- A row is one touch that was undecided: of the only open deal of the company or, if there is none, of the closed ones of the person.
INSERT INTO snapshot_touches (snapshot, deal, at_ms, id, content, rep, burst, kind, level, rule, confidence)
SELECT DISTINCT
    {snapshot:String},
    if(c.until >= t.at_ms AND c.since < t.at_ms, c.deal, t.deal) AS deal,
    at_ms, id, content, rep, burst, kind, level,
    if(c.until >= t.at_ms AND c.since < t.at_ms, c.rule, t.rule),
    if(c.until >= t.at_ms AND c.since < t.at_ms, if(c.rule = 'account', 600, 1000), t.confidence)
FROM (SELECT * FROM snapshot_touches WHERE snapshot = {snapshot:String} AND undecided != 0) AS t
LEFT JOIN (SELECT key, deal, until, since, rule FROM snapshot_companies WHERE snapshot = {snapshot:String}) AS c ON c.key = t.undecided
WHERE deal != 0
