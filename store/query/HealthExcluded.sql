-- The only row is how many events are in no report, or not in all: by who asked, by why they name nobody, those retracted, and
-- touches of no deal.
SELECT
    countIf(agent = 'scanner'), countIf(agent = 'unknown'), countIf(agent = 'self'),
    countIf(withheld = 'consent'), countIf(withheld = 'optout'), countIf(withheld = 'browser'), countIf(withheld = 'account'),
    countIf(kind = 'retracted'),
    countIf(kind IN ('clicked', 'viewed', 'replied') AND content != '' AND level >= 2 AND empty(deals))
FROM tied(as_of = {as_of:DateTime64(3)})
