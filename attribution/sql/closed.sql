-- The only row is how many deals of a snapshot were won or lost in the period, at a time that is known.
SELECT toInt64(countIf(status IN ('won', 'lost') AND closed_ms > 0 AND ({from_ms:Int64} = 0 OR closed_ms >= {from_ms:Int64}) AND ({to_ms:Int64} = 0 OR closed_ms < {to_ms:Int64})))
FROM snapshot_deals WHERE snapshot = {snapshot:String}
