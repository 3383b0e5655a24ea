-- A row is one list of leads, the newest first, with how many leads are on it; an empty list means all.
SELECT attrs['list'], anyIf(at, contact = ''), anyIf(note, contact = ''), anyIf(rep, contact = ''), anyIf(attrs['how'], contact = ''), uniqExactIf(contact, contact != '')
FROM facts(as_of = {as_of:DateTime64(3)})
WHERE kind = 'listed' AND ({list:String} = '' OR attrs['list'] = {list:String})
GROUP BY attrs['list']
HAVING countIf(contact = '') > 0
ORDER BY attrs['list'] DESC
