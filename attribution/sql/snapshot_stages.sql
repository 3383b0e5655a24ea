-- A row is one stage that one deal entered.
INSERT INTO snapshot_stages (snapshot, deal, at_ms, id, stage, received_ms)
SELECT {snapshot:String}, xxHash64(deal), toUnixTimestamp64Milli(at), id, stage, toUnixTimestamp64Milli(received_at)
FROM facts(as_of = {as_of:DateTime64(3)}) AS f
WHERE kind = 'staged' AND deal != ''
SETTINGS max_insert_threads = 4
