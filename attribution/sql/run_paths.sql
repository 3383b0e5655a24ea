-- A row is one closed deal of the period with its path: of each burst of eligible touches the first, in order. Deals without a
-- usable value have none; they are in no model.
INSERT INTO run_paths (run, deal, won, value, lead_ms, opportunity_ms, path)
WITH
    -- A row is one deal that gets a path.
    closed AS
    (
        SELECT deal, status = 'won' AS won, value, created_ms, closed_ms
        FROM snapshot_deals
        WHERE snapshot = {snapshot:String} AND deal BETWEEN {low:UInt64} AND {high:UInt64}
            AND (status = 'won' AND reason = '' OR status = 'lost' AND closed_ms > 0 AND {lost:Bool})
            AND ({from_ms:Int64} = 0 OR closed_ms >= {from_ms:Int64}) AND ({to_ms:Int64} = 0 OR closed_ms < {to_ms:Int64})
    ),

    -- A row is when one deal first entered the stages that the settings name; 0 if they name none.
    entered AS
    (
        SELECT deal, minIf(at_ms, stage = {lead_stage:String}) AS lead_ms, minIf(at_ms, stage = {opportunity_stage:String}) AS opportunity_ms
        FROM snapshot_stages
        WHERE snapshot = {snapshot:String} AND deal BETWEEN {low:UInt64} AND {high:UInt64} AND stage != '' AND stage IN ({lead_stage:String}, {opportunity_stage:String})
        GROUP BY deal
    ),

    -- A row is one such deal with its eligible touches.
    touched AS
    (
        SELECT deal, groupArray((burst, at_ms, id, content, rep, kind, toLowCardinality(toString(rule)), confidence)) AS touches
        FROM snapshot_touches
        WHERE snapshot = {snapshot:String} AND deal BETWEEN {low:UInt64} AND {high:UInt64} AND deal IN (SELECT deal FROM closed) AND undecided = 0 AND kind IN {kinds:Array(String)} AND level >= {level:UInt8}
        GROUP BY deal
    )
SELECT
    {run:String}, deal, won, value, lead_ms, opportunity_ms,
    arraySort(x -> (x.1, x.2, x.3), arrayMap(x -> (x.2, x.3, x.4, x.5, x.6, x.7, x.8), arrayFilter(
        (x, last) -> x.1 != last.1 OR x.2 - last.2 > {burst_ms:Int64}, touches, arrayShiftRight(touches, 1))))
FROM
(
    SELECT
        closed.deal AS deal, won, value,
        if({lead_stage:String} = '', leads.lead_ms, entered.lead_ms) AS lead_ms,
        if({opportunity_stage:String} = '', created_ms, entered.opportunity_ms) AS opportunity_ms,
        arraySort(x -> (x.1, x.2, x.3), arrayFilter(x -> x.2 <= closed_ms AND ({window_ms:Int64} = 0 OR x.2 >= closed_ms - {window_ms:Int64}), touched.touches)) AS touches
    FROM closed
    LEFT JOIN touched ON touched.deal = closed.deal
    LEFT JOIN (SELECT deal, lead_ms FROM snapshot_leads WHERE snapshot = {snapshot:String}) AS leads ON leads.deal = closed.deal
    LEFT JOIN entered ON entered.deal = closed.deal
)
SETTINGS max_insert_threads = 4
