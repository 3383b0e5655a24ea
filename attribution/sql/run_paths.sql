-- A row is one closed deal of the period with its path: of each burst of eligible touches the first, in order. Deals without a
-- usable value have none; they are in no model.
INSERT INTO run_paths (run, deal, won, value, lead_ms, opportunity_ms, path)
SELECT
    {run:String}, no, won, value, lead_ms, opportunity_ms,
    arraySort(x -> (x.1, x.2, x.3), arrayMap(x -> (x.2, x.3, x.4, x.5, x.6, x.7, x.8), arrayFilter(
        (x, last) -> x.1 != last.1 OR x.2 - last.2 > {burst_ms:Int64}, touches, arrayShiftRight(touches, 1))))
FROM
(
    SELECT
        no, won, value, lead_ms, opportunity_ms,
        arraySort(x -> (x.1, x.2, x.3), arrayFilter(x -> x.2 <= closed_ms AND ({window_ms:Int64} = 0 OR x.2 >= closed_ms - {window_ms:Int64}), t.touches)) AS touches
    FROM
    (
        SELECT deal, groupArray((burst, at_ms, id, content, rep, kind, rule, confidence)) AS touches
        FROM snapshot_touches
        WHERE snapshot = {snapshot:String} AND deal >= {low:UInt32} AND deal < {high:UInt32} AND kind IN {kinds:Array(String)} AND level >= {level:UInt8}
        GROUP BY deal
    ) AS t
    RIGHT JOIN
    (
        SELECT
            no, status = 'won' AS won, value, closed_ms,
            if({lead_stage:String} = '', leads.lead_ms, arrayReduce('min', arrayMap(x -> x.1, arrayFilter(x -> x.2 = {lead_stage:String}, entered)))) AS lead_ms,
            if({opportunity_stage:String} = '', created_ms, arrayReduce('min', arrayMap(x -> x.1, arrayFilter(x -> x.2 = {opportunity_stage:String}, entered)))) AS opportunity_ms
        FROM snapshot_deals AS known
        LEFT JOIN (SELECT deal, lead_ms FROM snapshot_leads WHERE snapshot = {snapshot:String}) AS leads ON leads.deal = known.no
        WHERE snapshot = {snapshot:String} AND no >= {low:UInt32} AND no < {high:UInt32}
            AND (status = 'won' AND reason = '' OR status = 'lost' AND closed_ms > 0 AND {lost:Bool})
            AND ({from_ms:Int64} = 0 OR closed_ms >= {from_ms:Int64}) AND ({to_ms:Int64} = 0 OR closed_ms < {to_ms:Int64})
    ) AS d ON d.no = t.deal
)
