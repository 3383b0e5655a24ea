-- A row is one party to deals, as in the view parties.
INSERT INTO snapshot_parties (snapshot, party, told, denied, deals)
SELECT {snapshot:String}, party, told, denied, deals FROM parties(as_of = {as_of:DateTime64(3)})
