-- A row is one layout, the newest first, with how much was inserted by now; the last row is of none. Inserts are told by numbers of
-- blocks, which only grow: rows go when copies of events are merged, so one new event and one merged copy would look like nothing.
SELECT
    layout, as_of, at, inserts, took_ms,
    (
        SELECT toUInt64(sum(last)) FROM
        (
            SELECT max(max_block_number) + 1 AS last FROM system.parts
            WHERE database = currentDatabase() AND table IN ('events', 'people') AND active
            GROUP BY table
        )
    ) AS now
FROM
(
    SELECT layout, as_of, at, inserts, took_ms FROM layouts
    UNION ALL
    SELECT '', toDateTime64(0, 3, 'UTC'), toDateTime64(0, 3, 'UTC'), 0, 0
)
ORDER BY at DESC
