-- A row is one rep who owns deals, with the team that the newest of these with a team names.
SELECT lower(owner), argMax(attrs['team'], (known_at, deal))
FROM deals(as_of = {as_of:DateTime64(3)})
WHERE owner != '' AND attrs['team'] != ''
GROUP BY lower(owner)
