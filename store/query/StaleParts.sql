-- A row is one layout or snapshot of which some was made before a time, by its table, and how many seconds ago the last of it was, in any table.
SELECT partition, table, toUInt64(greatest(0, dateDiff('second', max(last) OVER (PARTITION BY partition), now()))) AS quiet
FROM
(
    SELECT partition, table, min(modification_time) AS first, max(modification_time) AS last
    FROM system.parts
    WHERE database = currentDatabase() AND active AND (startsWith(table, 'layout') OR startsWith(table, 'snapshot_'))
    GROUP BY partition, table
)
WHERE partition IN
(
    SELECT partition FROM system.parts
    WHERE database = currentDatabase() AND active AND (startsWith(table, 'layout') OR startsWith(table, 'snapshot_')) AND modification_time <= toDateTime({before:DateTime64(3)})
)
ORDER BY partition, table
