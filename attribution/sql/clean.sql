-- A row that goes is a credit of a run that never became complete.
DELETE FROM credits WHERE run IN {orphans:Array(String)}
