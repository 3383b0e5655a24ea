-- The only row is how many events are stored, whatever their copies and revisions, and how many were removed on purpose.
SELECT
    (SELECT count() FROM (SELECT id FROM events GROUP BY id)) AS stored,
    countIf(reason = 'erased')  AS erased,
    countIf(reason = 'expired') AS expired
FROM removed FINAL
SETTINGS optimize_aggregation_in_order = 1, max_threads = 1
