-- A row is the sends of one key, a content or a rep: how many were of an older version, in how many an open can be
-- seen, and in how many of these one was, at a level of agents as in resolved. A send is one content in one mail to one
-- contact; of a link to several people one open is one. It needs nothing that only the views know, and planning those
-- takes longer than all this. Of sends that were imported nobody knows whether an open would have been seen.
WITH
    multiIf(agent = '' OR (agent = 'human' AND probability >= toFloat32(0.9)), 3, agent IN ('human', 'proxy'), 2, agent = 'self', 0, 1) >= {level:UInt8} AS counts,
    concat(message, ' ', contact, ' ', if(message = '', toString(content), '')) AS mailed,
    (if(message = '', hex(id), message), contact, content) AS send,
    signal != 'unobservable' AND source != 'csv' AS visible
SELECT
    if({by:String} = 'rep', rep, content)       AS key,
    uniqExactIf(send, has(rules, 'stale'))      AS stale,
    uniqExactIf(send, visible)                  AS observable,
    least(observable, uniqExactIf((content, if(share = '', mailed, share)), visible AND
    (
        share IN (SELECT share FROM facts(as_of = {as_of:DateTime64(3)}) WHERE kind = 'opened' AND share != '' AND counts)
        OR mailed IN (SELECT mailed FROM facts(as_of = {as_of:DateTime64(3)}) WHERE kind = 'opened' AND share = '' AND contact != '' AND counts)
    )))                                         AS observed
FROM facts(as_of = {as_of:DateTime64(3)})
WHERE kind = 'sent' AND content != '' AND ({content:String} = '' OR content = {content:String})
GROUP BY key
