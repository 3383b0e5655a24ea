-- A row is the run that knew most, of those of all models and all time under these settings.
SELECT id, as_of, started_at, events
FROM runs FINAL
WHERE agents = {agents:String} AND version = {version:String} AND config = {config:String} AND hasAll(models, {models:Array(String)})
  AND toUnixTimestamp64Milli(from_at) = 0 AND toUnixTimestamp64Milli(to_at) = 0
ORDER BY as_of DESC, id DESC
LIMIT 1
