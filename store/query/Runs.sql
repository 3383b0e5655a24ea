-- A row is one complete attribution run, newest first.
SELECT id, models, version, config, agents, as_of, from_at, to_at, started_at, finished_at, events, deals, touches, left_out, currency, digits, asked, reasons, inputs, settings, stages
FROM runs FINAL
ORDER BY id DESC
LIMIT {limit:UInt64}
