-- The only row is whether the database exists, and which of the settings that we want the server knows.
SELECT (SELECT count() FROM system.databases WHERE name = @database) AS databases, groupArray(name) AS known
FROM system.settings
WHERE has(@wanted, name)
