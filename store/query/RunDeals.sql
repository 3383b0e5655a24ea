-- A row is one deal as a run knew it: value in minor units, touches those that could earn, and why it was left out.
SELECT deal, value, closed_at, owner, touches, reason
FROM run_deals
WHERE run = {run:String} AND deal IN {deals:Array(String)}
