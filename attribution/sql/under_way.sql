-- A row is one run that is not complete, newest first: its newest state, but stopping until it has stopped.
SELECT run, toString(last.1), last.2, last.3, last.4, last.5, last.6, last.7
FROM
(
    SELECT run, argMax((state, step, done, of, note, at, request), (state NOT IN ('running', 'stopping'), state = 'stopping', at)) AS last
    FROM run_steps FINAL
    WHERE run_steps.at >= {since:DateTime64(3)}
    GROUP BY run
)
WHERE last.1 != 'complete' AND run NOT IN (SELECT id FROM runs)
ORDER BY run DESC
