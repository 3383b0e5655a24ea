-- A row is one entry of the streams that became an event.
INSERT INTO arrivals (id, revision, epoch, partition, ms, seq)
