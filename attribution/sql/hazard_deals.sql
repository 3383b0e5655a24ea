-- A row is one content and how many deals were at risk in a stage after they had seen it: up to 100, more are 101.
SELECT content, toInt64(uniqUpTo(100)(deal))
FROM lift_entries
ARRAY JOIN contents AS content, seen AS since
WHERE run = {run:String} AND since + 1 < weeks
GROUP BY content
