-- A row is one content of which older versions were sent since a time: in how many mails, by how many reps, and when last.
SELECT content, uniqExact(if(message = '', hex(id), message)), uniqExactIf(rep, rep != ''), max(at)
FROM mail_events(as_of = {as_of:DateTime64(3)})
WHERE kind = 'sent' AND content != '' AND has(rules, 'stale') AND at >= {since:DateTime64(3)}
GROUP BY content
