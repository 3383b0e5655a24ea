-- A row is one stage with how many open deals are in it.
SELECT stage, countIf(status = 'open')
FROM deals(as_of = {as_of:DateTime64(3)})
WHERE stage != ''
GROUP BY stage
ORDER BY countIf(status = 'open') DESC, stage
