-- The only row is whether a run is to stop.
SELECT count() > 0 FROM run_steps WHERE run = {run:String} AND state = 'stopping'
