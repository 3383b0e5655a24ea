-- A row is the people whose link a share can be from a time on, as in the view crowds.
INSERT INTO snapshot_crowds (snapshot, share, since, people)
SELECT {snapshot:String}, share, since, people FROM crowds(as_of = {as_of:DateTime64(3)})
