-- A row is one rep and the content that they sent in a period: sends (one content in one mail to one contact), of these with a tracked
-- link and of an older version, and which contents.
WITH (content, if(message = '', hex(id), message), contact) AS send
SELECT
    rep,
    uniqExact(send),
    uniqExactIf(send, has(rules, 'tracked') OR share != ''),
    uniqExactIf(send, has(rules, 'stale')),
    groupUniqArray(toString(content))
FROM resolved(as_of = {as_of:DateTime64(3)})
WHERE kind = 'sent' AND content != '' AND rep != '' AND at >= {from:DateTime64(3)} AND at < {to:DateTime64(3)}
GROUP BY rep
