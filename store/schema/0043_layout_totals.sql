-- A row is the row of the view totals as of the time of one layout.
CREATE TABLE IF NOT EXISTS layout_totals
(
    layout        String,
    events        UInt64,
    contents      UInt64,
    deals         UInt64,
    contacts      UInt64,
    shares        UInt64,
    clicks        UInt64,
    last_received DateTime64(3, 'UTC'),
    crm_contacts  UInt64,
    baseline_kept Bool
)
ENGINE = MergeTree
PARTITION BY layout
ORDER BY layout
