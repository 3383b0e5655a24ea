-- A row is one rep who owns won deals.
SELECT lower(owner), count() FROM deals(as_of = {as_of:DateTime64(3)}) WHERE owner != '' AND status = 'won' GROUP BY lower(owner)
