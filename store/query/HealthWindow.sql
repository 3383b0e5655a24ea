-- The only row is how many touches of won deals, by the rules of credit, were too long before the close.
SELECT count()
FROM
(
    SELECT at, deal FROM deal_events(as_of = {as_of:DateTime64(3)})
    WHERE kind IN {kinds:Array(String)} AND content != '' AND level >= 2
) AS t
INNER JOIN
(
    SELECT deal, closed_at FROM deals(as_of = {as_of:DateTime64(3)}) WHERE status = 'won' AND closed_at > toDateTime64(0, 3, 'UTC')
) AS won ON won.deal = t.deal
WHERE {window:Int64} > 0 AND t.at < won.closed_at - toIntervalMillisecond({window:Int64})
