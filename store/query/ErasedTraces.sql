-- The only row is how much of who is being erased is in the tables, and who that is.
SELECT
    (SELECT count() FROM people WHERE contact IN (SELECT was FROM erasing)) AS people,
    (SELECT count() FROM events WHERE contact IN (SELECT was FROM erasing)) AS events,
    (
        SELECT count() FROM events
        WHERE contact NOT IN (SELECT was FROM erasing) AND (SELECT count() FROM erasing) > 0 AND
        (
            position(note, (SELECT any(was) FROM erasing)) > 0 OR match(note, (SELECT any(pattern) FROM erasing))
            OR arrayExists(v -> position(v, (SELECT any(was) FROM erasing)) > 0 OR match(v, (SELECT any(pattern) FROM erasing)), mapValues(attrs))
        )
    ) AS texts,
    (
        SELECT count() FROM bad_entries
        WHERE (SELECT count() FROM erasing) > 0 AND
        (
            position(raw, (SELECT any(was) FROM erasing)) > 0 OR match(raw, (SELECT any(pattern) FROM erasing))
            OR position(reason, (SELECT any(was) FROM erasing)) > 0 OR match(reason, (SELECT any(pattern) FROM erasing))
        )
    ) AS bad,
    (SELECT if(count() = 1, any(was), '') FROM erasing) AS who
