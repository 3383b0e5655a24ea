-- A row is one pair of stages with how many deals entered the first one before the other; with itself, how many entered it at all,
-- and for how many of these it was the last and closed the deal: at most 36 hours lie between, because dates may be without a time.
-- What a deal entered later than that after its closing is no stage of it, and two stages that it entered at one time have no order.
SELECT x.1 AS one, y.1 AS other, count() AS deals, countIf(is_closed AND x.1 = y.1 AND has(lasts, x.1) AND closed_ms - last_ms <= 129600000) AS ended
FROM
(
    -- A row is one deal with the stages it entered, each with when it first did.
    SELECT
        status IN ('won', 'lost') AS is_closed, closed_ms,
        arrayMap(x -> (x.1, toString(x.2)), if(is_closed, arrayFilter(x -> x.1 <= closed_ms + 129600000, entered), entered)) AS steps,
        steps.2 AS names,
        arrayMap(name -> (name, steps[indexOf(names, name)].1), arrayDistinct(names)) AS firsts,
        steps[-1].1 AS last_ms,
        arrayMap(x -> x.2, arrayFilter(x -> x.1 = last_ms, steps)) AS lasts
    FROM snapshot_deals AS known
    INNER JOIN
    (
        SELECT deal, arrayMap(x -> (x.1, x.3), arraySort(groupArray((at_ms, id, stage)))) AS entered
        FROM snapshot_stages
        WHERE snapshot = {snapshot:String}
        GROUP BY deal
    ) AS history ON history.deal = known.deal
    WHERE snapshot = {snapshot:String} AND NOT (is_closed AND closed_ms = 0)
)
ARRAY JOIN firsts AS x
ARRAY JOIN firsts AS y
WHERE x.2 < y.2 OR x.1 = y.1
GROUP BY one, other
