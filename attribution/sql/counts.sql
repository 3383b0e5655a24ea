-- The only row is what the run that was just computed is about: deals are the won ones that were divided, touches those that are
-- in their paths, left_out the won ones that could not be.
SELECT
    countIf(won)                                               AS deals,
    sumIf(length(path), won)                                   AS touches,
    (SELECT countIf(status = 'won' AND reason != '') FROM run_deals WHERE run = {run:String}) AS left_out,
    countIf(NOT won)                                           AS lost,
    sumIf(length(path), NOT won)                               AS lost_touches
FROM run_paths
WHERE run = {run:String}
