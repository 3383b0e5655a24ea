-- The only row is whether a snapshot is complete, how many deals it has, and of how many events it was made.
SELECT
    (SELECT count() FROM snapshot_names WHERE snapshot = {snapshot:String} AND what = 'complete') > 0 AS complete,
    toUInt32((SELECT count() FROM snapshot_deals WHERE snapshot = {snapshot:String})) AS deals,
    toUInt64((SELECT sum(no) FROM snapshot_names WHERE snapshot = {snapshot:String} AND what = 'events')) AS events
