-- A row that goes is a run that newer ones replaced. What it found goes after it.
DELETE FROM runs WHERE id IN {runs:Array(String)}
