-- A row is one deal with how much touched it, at one level of agents, 1 to 3 as in the view resolved: clicks, views and answers, the last of
-- them, and the last mail with its people, with content or without.
CREATE OR REPLACE VIEW deal_counts AS
SELECT deal, counted_at, touches, last_touch, last_mail
FROM
(
    WITH if(kind IN ('clicked', 'viewed', 'replied') AND content != '', level, 0) AS earns
    SELECT
        deal,
        [
            countIf(earns >= 1 AND once = 0) + uniqExactIf(once, earns >= 1 AND once != 0),
            countIf(earns >= 2 AND once = 0) + uniqExactIf(once, earns >= 2 AND once != 0),
            countIf(earns >= 3 AND once = 0) + uniqExactIf(once, earns >= 3 AND once != 0)
        ] AS all_touches,
        [maxIf(at, earns >= 1), maxIf(at, earns >= 2), maxIf(at, earns >= 3)] AS all_last,
        maxIf(at, kind IN ('sent', 'replied')) AS last_mail
    FROM deal_events(as_of = {as_of:DateTime64(3)}) AS e
    GROUP BY deal
)
ARRAY JOIN [1, 2, 3] AS counted_at, all_touches AS touches, all_last AS last_touch
