-- A row is one lead with the mails that reps sent to it since a time, in order: when, and who.
SELECT contact, (arraySort(groupUniqArray((at, toString(rep)))) AS mails).1, mails.2
FROM resolved(as_of = {as_of:DateTime64(3)})
WHERE kind = 'sent' AND at >= {from:DateTime64(3)} AND contact IN (SELECT arrayJoin({leads:Array(String)}))
GROUP BY contact
