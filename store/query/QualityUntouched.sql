-- A row is one won deal without any touch, not even a mail with content; those that closed last are first. The last
-- column is how many there are.
SELECT 'won_untouched', deal, name, status, '', count() OVER ()
FROM deals(as_of = {as_of:DateTime64(3)})
WHERE status = 'won' AND deal NOT IN (SELECT deal FROM deal_touches(as_of = {as_of:DateTime64(3)}))
ORDER BY closed_at DESC, deal
LIMIT {limit:UInt64}
