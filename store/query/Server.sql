-- The only row is whether the database exists, and whether the server has the setting deduplicate_insert.
SELECT
    (SELECT count() FROM system.databases WHERE name = {database:String}),
    (SELECT count() FROM system.settings WHERE name = 'deduplicate_insert')
