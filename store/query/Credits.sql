-- A row is what one touch earned of one deal in a run: credit in 1e-12 deals, value in minor units.
SELECT deal, touch, content, toInt64(round(share * 1e12)), value
FROM credits
WHERE run = {run:String} AND model = {model:String} AND deal IN {deals:Array(String)}
ORDER BY deal, content, touch
