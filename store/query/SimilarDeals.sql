-- A row is one won deal that is like another: of its segment if it has one, else of its size, the last won first; with when it left a
-- stage, in milliseconds: when it entered the next one after it, or was won. One that was never in the stage left it when it was won.
SELECT
    g.deal,
    least(if(toUnixTimestamp64Milli(g.closed_at) > 0, toUnixTimestamp64Milli(g.closed_at), 9000000000000), if(w.left_ms > 0, w.left_ms, 9000000000000)) AS until_ms,
    g.contacts
FROM
(
    SELECT deal, closed_at, contacts
    FROM segments(as_of = {as_of:DateTime64(3)}) AS s
    WHERE status = 'won' AND deal != {deal:String} AND if({segment:String} != '', segment = {segment:String}, size = {size:String} AND size != '')
    ORDER BY closed_at DESC, deal
    LIMIT {limit:UInt64}
) AS g
LEFT JOIN
(
    SELECT deal, arrayFirst(t -> t > entered, arraySort(groupArray(toUnixTimestamp64Milli(at)))) AS left_ms, maxIf(toUnixTimestamp64Milli(at), stage = {stage:String}) AS entered
    FROM staged(as_of = {as_of:DateTime64(3)}) AS r
    GROUP BY deal
    HAVING entered > 0
) AS w ON w.deal = g.deal
