-- The only row is what the run that was just computed is about: deals are the won ones that were divided, touches those that are
-- in their paths, left_out the won ones that could not be, tied those of which two touches in a row are of one time.
SELECT
    countIf(won)                                               AS deals,
    sumIf(length(path), won)                                   AS touches,
    (SELECT countIf(status = 'won' AND reason != '') FROM run_deals WHERE run = {run:String}) AS left_out,
    countIf(NOT won)                                           AS lost,
    sumIf(length(path), NOT won)                               AS lost_touches,
    countIf(won AND arrayExists((at, next) -> at = next, arrayPopBack(path.at_ms), arrayPopFront(path.at_ms))) AS tied
FROM run_paths
WHERE run = {run:String}
