-- A row is one content as it was sent in a period.
SELECT
    content,
    uniqExact((if(message = '', hex(id), message), contact)) AS sends,
    uniqExactIf(rep, rep != ''),
    uniqExact(contact),
    uniqExactIf((if(message = '', hex(id), message), contact), has(rules, 'stale'))
FROM mail_events(as_of = {as_of:DateTime64(3)})
WHERE kind = 'sent' AND content != '' AND at >= {from:DateTime64(3)} AND at <= {to:DateTime64(3)}
GROUP BY content
