-- A row is one row of the view parties in a snapshot.
CREATE TABLE IF NOT EXISTS snapshot_parties
(
    snapshot String,
    party    String,
    told     Array(Tuple(DateTime64(3, 'UTC'), String)),
    denied   Array(String),
    deals    Array(Tuple(DateTime64(3, 'UTC'), String))
)
ENGINE = MergeTree
PARTITION BY snapshot
ORDER BY party
