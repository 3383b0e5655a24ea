-- A row is what a share or a mail stands for, as in the view bindings.
INSERT INTO snapshot_bindings (snapshot, key, content, rep, deal, share, contacts)
SELECT {snapshot:String}, key, content, rep, deal, share, contacts FROM bindings(as_of = {as_of:DateTime64(3)})
