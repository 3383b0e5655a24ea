-- The only row is the newest layout, and how many rows of events and people there are by now.
SELECT
    newest.at, newest.rows, newest.took_ms,
    (SELECT count() FROM events) + (SELECT count() FROM people) AS now
FROM (SELECT max(at) AS at, argMax(rows, latest.at) AS rows, argMax(took_ms, latest.at) AS took_ms FROM latest) AS newest
