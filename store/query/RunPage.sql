-- A row is one complete attribution run, newest first: those before one, those with some IDs, or those that know less than one,
-- at its level, of its period and with a model of it, the nearest first.
SELECT id, models, version, config, agents, as_of, from_at, to_at, started_at, finished_at, events, deals, touches, left_out, currency, digits, asked, reasons, inputs, settings, stages
FROM runs FINAL
WHERE ({after:String} = '' OR id < {after:String})
    AND (empty({ids:Array(String)}) OR id IN {ids:Array(String)})
    AND ({than:String} = '' OR (agents, from_at, to_at) IN (SELECT agents, from_at, to_at FROM runs FINAL WHERE id = {than:String})
        AND (runs.as_of, id) < (SELECT as_of, id FROM runs FINAL WHERE id = {than:String}) AND has(models, {model:String}))
ORDER BY if({than:String} = '', toDateTime64(0, 3, 'UTC'), runs.as_of) DESC, id DESC
LIMIT {limit:UInt64}
