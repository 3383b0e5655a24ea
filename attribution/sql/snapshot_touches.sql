-- A row is one touch of one deal, as in the view deal_touches.
INSERT INTO snapshot_touches (snapshot, deal, at_ms, id, content, rep, burst, kind, level, rule, confidence)
WITH
    (SELECT (groupArray(name), groupArray(no)) FROM snapshot_names WHERE snapshot = {snapshot:String} AND what = 'content') AS contents,
    (SELECT (groupArray(name), groupArray(no)) FROM snapshot_names WHERE snapshot = {snapshot:String} AND what = 'rep') AS reps
SELECT
    {snapshot:String}, d.no, toUnixTimestamp64Milli(t.at), t.id,
    transform(t.content, contents.1, contents.2, toUInt32(0)),
    transform(t.rep, reps.1, reps.2, toUInt32(0)),
    sipHash64(t.contacts, t.content, t.kind),
    t.kind, t.level, t.rule, round(1000 * t.confidence)
FROM deal_touches(as_of = {as_of:DateTime64(3)}) AS t
INNER JOIN (SELECT deal, no FROM snapshot_deals WHERE snapshot = {snapshot:String}) AS d ON d.deal = t.deal
