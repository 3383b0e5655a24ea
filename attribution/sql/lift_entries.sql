-- A row is one stage entry: the first time that a deal entered one of the stages, with what became of it; see the table lift_entries.
-- Stages that are not in the list are passed over, and a stage that is entered again while the deal is in it goes on. Closed deals
-- without a closing date are left out, because nobody knows how long they were in their last stage.
INSERT INTO lift_entries (run, deal, stage, segment, size, owner, team, source, age, known, advanced, won_known, won, before, weeks, ended, contents, seen, at_entry, at_landmark)
WITH
    7 * 86400000 AS week,
    (SELECT groupArray(name) FROM (SELECT name FROM snapshot_names WHERE snapshot = {snapshot:String} AND what = 'content' ORDER BY no)) AS names,

    -- A row is one deal with its way, the stages it went through until it was over or until the run. A step is one number, which sorts
    -- fastest: when, and the stage's place in the list below that. So of stages entered at one time, as CRMs with dates tell it, the later in
    -- the list counts as the later one.
    went AS
    (
        SELECT
            known.deal AS deal, if(known.segment != '', known.segment, size) AS segment, size, owner, team, if(known.source != '', known.source, leads.source) AS source, status,
            if(status IN ('won', 'lost'), least(closed_ms, {as_of_ms:Int64}), {as_of_ms:Int64}) AS over_ms,
            bitShiftRight(entered[1], 16) AS entered_ms,
            if(created_ms > 0 AND created_ms < entered_ms, created_ms, entered_ms) AS created_ms,
            over_ms * 65536 AS end,
            arrayFilter(x -> x < end AND bitAnd(x, 65535) > 0, entered) AS steps,
            arrayFilter((x, before) -> bitAnd(x, 65535) != bitAnd(before, 65535), steps, arrayShiftRight(steps, 1)) AS way
        FROM snapshot_deals AS known
        INNER JOIN
        (
            SELECT deal, arraySort(groupArray(at_ms * 65536 + transform(stage, {stages:Array(String)}, range(1, toUInt32(length({stages:Array(String)}) + 1)), toUInt32(0)))) AS entered
            FROM snapshot_stages
            WHERE snapshot = {snapshot:String} AND deal BETWEEN {low:UInt64} AND {high:UInt64}
            GROUP BY deal
        ) AS history ON history.deal = known.deal
        LEFT JOIN (SELECT deal, source FROM snapshot_leads WHERE snapshot = {snapshot:String}) AS leads ON leads.deal = known.deal
        WHERE snapshot = {snapshot:String} AND known.deal BETWEEN {low:UInt64} AND {high:UInt64} AND NOT (status IN ('won', 'lost') AND closed_ms = 0)
    ),

    -- A row is one deal with the contents that were seen on it, by when that was first. A number that begins with the time sorts fastest.
    saw AS
    (
        SELECT
            deal,
            arraySort(groupArray(bitShiftLeft(toUInt64(at_ms), 22) + content)) AS touches,
            arrayMap(x -> toUInt32(bitAnd(x, 4194303)), touches) AS contents,
            arrayFilter((at, nth) -> nth = 1, arrayMap(x -> toInt64(bitShiftRight(x, 22)), touches), arrayEnumerateUniq(contents)) AS times,
            arrayDistinct(contents) AS firsts
        FROM snapshot_touches
        WHERE snapshot = {snapshot:String} AND deal BETWEEN {low:UInt64} AND {high:UInt64} AND undecided = 0 AND kind IN {kinds:Array(String)} AND level >= {level:UInt8}
        GROUP BY deal
    ),

    -- A row is one stage entry with its times. place is where the stage is in the list; came is the step before and next the one after, 0 if there is none.
    entries AS
    (
        SELECT
            went.deal AS deal, bitAnd(here, 65535) AS place, {stages:Array(String)}[place] AS stage, segment, size, owner, team, source, created_ms, times, firsts,
            bitShiftRight(here, 16) AS began,
            bitAnd(came, 65535) AS came_from, bitAnd(next, 65535) AS goes_to,
            if(goes_to > 0, bitShiftRight(next, 16), over_ms) AS left_ms,
            multiIf(goes_to > place, 'advanced', goes_to > 0, 'unknown', status = 'won', 'advanced', status = 'lost', 'lost', 'unknown') AS ended,
            if(status = 'won', over_ms, toInt64(100000000000000)) AS won_ms,
            bitShiftRight(arrayFirst(x -> bitAnd(x, 65535) > place, arrayPushBack(arraySlice(way, i + 1), won_ms * 65536 + 65535)), 16) AS advanced_ms,
            multiIf(came_from = 0 OR came_from > place, 'none', began - bitShiftRight(came, 16) <= 4 * week, 'fast', 'slow') AS before,
            began + {landmark:Int64} * week AS landmark,
            landmark + {horizon:Int64} * week AS horizon,
            landmark + {won_horizon:Int64} * week AS won_horizon
        FROM went
        LEFT JOIN saw ON saw.deal = went.deal
        ARRAY JOIN way AS here, arrayShiftRight(way, 1) AS came, arrayShiftLeft(way, 1) AS next, arrayEnumerate(way) AS i, arrayEnumerateUniq(arrayMap(x -> bitAnd(x, 65535), way)) AS nth
        WHERE nth = 1 AND ({from_ms:Int64} = 0 OR began >= {from_ms:Int64}) AND ({to_ms:Int64} = 0 OR began < {to_ms:Int64})
    )
SELECT
    {run:String}, deal, stage, segment, size, owner, team, source,
    least(intDiv(began - created_ms, 2 * week), 15) AS age,
    left_ms > landmark AND horizon <= {as_of_ms:Int64} AS known,
    known AND advanced_ms <= horizon AS advanced,
    left_ms > landmark AND won_horizon <= {as_of_ms:Int64} AS won_known,
    won_known AND won_ms <= won_horizon AS won,
    before,
    -- A week whose end is not known counts when it is over, any other when it began.
    if(ended = 'unknown', intDiv(left_ms - began, week), intDiv(left_ms - began - 1, week) + 1) AS weeks,
    ended,
    arrayMap(x -> names[x], arraySlice(firsts, 1, arrayCount(at -> at < left_ms, times))) AS contents,
    arrayMap(at -> if(at < began, -1, intDiv(at - began, week)), arraySlice(times, 1, length(contents))) AS seen,
    arrayCount(at -> at < began, times) AS at_entry,
    arrayCount(at -> at < least(landmark, left_ms), times) AS at_landmark
FROM entries
WHERE known OR won_known OR weeks > 0
SETTINGS max_insert_threads = 4
