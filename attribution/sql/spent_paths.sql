-- A row is one complete run that still has its paths.
SELECT DISTINCT run FROM run_paths WHERE run IN (SELECT id FROM runs)
