-- A row is one player of a data-driven model: a content, or a kind of content, in order.
SELECT DISTINCT if({order:UInt8} = 1, name, toString(kind)) AS player FROM snapshot_names
WHERE snapshot = {snapshot:String} AND what = 'content'
ORDER BY player
