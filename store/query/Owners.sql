-- A row is one rep who owns deals won in the period; an end at the epoch is none.
SELECT lower(owner), count()
FROM deals(as_of = {as_of:DateTime64(3)})
WHERE owner != '' AND status = 'won' AND closed_at >= {from:DateTime64(3)}
    AND (toUnixTimestamp({to:DateTime64(3)}) = 0 OR closed_at < {to:DateTime64(3)})
GROUP BY lower(owner)
