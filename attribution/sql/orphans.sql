-- A row is a run, or a snapshot, that has parts and is neither complete nor under way, begun so long ago that it cannot be going on.
SELECT DISTINCT part
FROM
(
    SELECT run AS part FROM credits GROUP BY run
    UNION ALL SELECT run FROM run_deals GROUP BY run
    UNION ALL SELECT run FROM run_paths GROUP BY run
    UNION ALL SELECT run FROM effects GROUP BY run
    UNION ALL SELECT run FROM lift_entries GROUP BY run
    UNION ALL SELECT snapshot FROM snapshot_names GROUP BY snapshot
)
WHERE part NOT IN (SELECT id FROM runs)
    AND part NOT IN (SELECT run FROM run_steps FINAL WHERE run_steps.at >= {since:DateTime64(3)} GROUP BY run HAVING countIf(state NOT IN ('running', 'stopping')) = 0)
    AND if(position(part, '-') > 0, toInt64OrZero(substring(part, 1, 13)) < {before_ms:Int64}, part < {before:String})
