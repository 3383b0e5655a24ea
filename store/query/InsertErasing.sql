-- A row is somebody who is being erased.
INSERT INTO erasing (was, becomes, pattern)
