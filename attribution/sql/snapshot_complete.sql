-- The row says that a snapshot is complete.
INSERT INTO snapshot_names (snapshot, what, no, name, kind) VALUES ({snapshot:String}, 'complete', 0, '', '')
