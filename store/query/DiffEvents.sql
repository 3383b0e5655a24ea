-- A row is one of the given events (IDs in hex) that is stored, with when it was received and revised, and when it, and its last
-- correction, came into the streams, 0 if that was never noted. Times are in milliseconds since 1970.
SELECT
    hex(e.id), toString(kind), contact, toUnixTimestamp64Milli(at), toUnixTimestamp64Milli(received_at), revision, toUnixTimestamp64Milli(revised_at), came.ms, came.corrected_ms
FROM facts(as_of = '2299-12-31 00:00:00.000') AS e
LEFT JOIN
(
    SELECT id, min(first_ms) AS ms, maxIf(first_ms, revision > 0) AS corrected_ms
    FROM
    (
        SELECT id, revision, toInt64(min(ms)) AS first_ms
        FROM arrivals
        WHERE id IN (SELECT toFixedString(unhex(arrayJoin({ids:Array(String)})), 16))
        GROUP BY id, revision
    )
    GROUP BY id
) AS came ON came.id = e.id
WHERE e.id IN (SELECT toFixedString(unhex(arrayJoin({ids:Array(String)})), 16)) -- a constant array would be searched from its beginning for each row
