-- A row is one layout, the newest first, with how many rows of events and people there are by now; the last row is of none.
SELECT layout, as_of, at, rows, took_ms, (SELECT count() FROM events) + (SELECT count() FROM people) AS now
FROM
(
    SELECT layout, as_of, at, rows, took_ms FROM layouts
    UNION ALL
    SELECT '', toDateTime64(0, 3, 'UTC'), toDateTime64(0, 3, 'UTC'), 0, 0
)
ORDER BY at DESC
