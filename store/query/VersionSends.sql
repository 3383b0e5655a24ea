-- A row is how often one content was sent from one of the given times to the next, numbered from 1, or before the first (0): once for each
-- mail and contact, and in how many of these as an older version.
SELECT
    toUInt8(arrayCount(s -> at >= s, {starts:Array(DateTime64(3))})) AS version,
    uniqExact((if(message = '', hex(id), message), contact)),
    uniqExactIf((if(message = '', hex(id), message), contact), has(rules, 'stale'))
FROM mail_events(as_of = {as_of:DateTime64(3)}) AS m
WHERE kind = 'sent' AND content = {content:String}
GROUP BY version
ORDER BY version
