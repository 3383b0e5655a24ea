-- The only row is how many stage entries a run has.
SELECT count() FROM lift_entries WHERE run = {run:String}
