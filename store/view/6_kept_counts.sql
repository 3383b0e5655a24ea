-- A row is one kind of facts about the mail of one rep: how many, how many of these machines made, how many have a person's word on
-- who made them, and the times of the first and the last. A mail of two contents is one fact.
CREATE OR REPLACE VIEW kept_counts AS
SELECT
    rep, kind,
    countIf(once = 0) + uniqExactIf(once, once != 0)                                                           AS facts_kept,
    countIf(once = 0 AND agent = 'scanner') + uniqExactIf(once, once != 0 AND agent = 'scanner')               AS by_machines,
    countIf(once = 0 AND has(rules, 'said')) + uniqExactIf(once, once != 0 AND has(rules, 'said'))             AS with_word,
    min(at) AS first_at, max(at) AS last_at
FROM resolved(as_of = {as_of:DateTime64(3)}) AS r
WHERE rep != '' AND kind IN ('sent', 'shared', 'opened', 'clicked', 'viewed', 'replied', 'autoreplied', 'bounced', 'forwarded', 'trapped', 'rescanned')
GROUP BY rep, kind
