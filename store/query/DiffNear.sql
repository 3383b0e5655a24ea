-- A row is one event of a stretch of time that was received, or judged again, after a run: it may have begun or ended a burst. IDs are in hex.
SELECT hex(id), kind, content, contact, toUnixTimestamp64Milli(at), toUnixTimestamp64Milli(received_at), revision > 0 AND toUnixTimestamp64Milli(revised_at) > {known:Int64} AS revised
FROM facts(as_of = '2299-12-31 00:00:00.000')
WHERE id >= toFixedString(unhex({low:String}), 16) AND id < toFixedString(unhex({high:String}), 16)
    AND (toUnixTimestamp64Milli(received_at) > {known:Int64} OR revised)
    AND kind IN ('sent', 'opened', 'clicked', 'viewed', 'replied', 'retracted')
