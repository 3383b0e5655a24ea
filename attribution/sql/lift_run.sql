-- A row is the newest run over all time that compared contents, or the one asked for, and whether it has what it found.
-- definition is version and settings, or nothing for any. A run of chosen models compares nothing.
SELECT id, has
FROM
(
    SELECT id, as_of, id IN (SELECT run FROM lifts WHERE content = '' GROUP BY run) AS has, mapContains(reasons, 'lift') AS says
    FROM runs FINAL
    WHERE if({run:String} != '', id = {run:String},
        ({definition:String} = '' OR concat(version, ' ', config) = {definition:String})
            AND agents = {agents:String} AND toUnixTimestamp64Milli(from_at) = 0 AND toUnixTimestamp64Milli(to_at) = 0)
)
WHERE has OR says OR {run:String} != ''
ORDER BY as_of DESC, id DESC
LIMIT 1
