-- A row is one rep and the team that the CRM names on the newest deal of theirs that has one.
SELECT lower(owner) AS rep, argMax(attrs['team'], (created_at, deal))
FROM deals(as_of = {as_of:DateTime64(3)})
WHERE owner != '' AND attrs['team'] != ''
GROUP BY rep
