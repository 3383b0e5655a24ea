-- The row is how far a run is. A run that is being stopped stays so until it has.
INSERT INTO run_steps (run, at, state, step, done, of, request, note)
SELECT {run:String}, {at:DateTime64(3)}, {state:String}, {step:UInt8}, {done:UInt32}, {of:UInt32}, {request:String}, {note:String}
