-- A row is one run while it is computed: what was asked, which step it is at, and how far. state is running, stopping, stopped,
-- failed or complete. The newest row of a run counts; a run that nobody goes on with is taken up again from its step.
CREATE TABLE IF NOT EXISTS run_steps
(
    run     String,
    at      DateTime64(3, 'UTC'),
    state   LowCardinality(String),
    step    UInt8,
    done    UInt32,
    of      UInt32,
    request String,
    note    String
)
ENGINE = ReplacingMergeTree(at)
ORDER BY (run, state)
