-- A row is the newest complete attribution run of a model, a level of agents and a period, as of a time; or the one run
-- asked for. definition is version and settings, or nothing for any. Newest is what knows most: a run as of an earlier time, computed later, replaces none.
SELECT id, models, version, config, agents, as_of, from_at, to_at, started_at, finished_at, events, deals, touches, left_out, currency, digits, asked, reasons, inputs, settings, stages
FROM runs FINAL
WHERE has(models, {model:String})
    AND if({run:String} != '', id = {run:String},
        ({definition:String} = '' OR concat(version, ' ', config) = {definition:String})
            AND agents = {agents:String} AND from_at = {from:DateTime64(3)} AND to_at = {to:DateTime64(3)} AND runs.as_of <= {as_of:DateTime64(3)})
ORDER BY runs.as_of DESC, id DESC
LIMIT 1
