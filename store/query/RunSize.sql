-- A row is how many won deals a run divided, and the sum of the squares of their values in minor units.
SELECT count(), toFloat64(sum(toInt256(value) * value)) FROM run_deals WHERE run = {run:String} AND status = 'won' AND reason = ''
