-- A row is one deal that a content earned of in a run: credit in 1e-12 deals, value in minor units.
SELECT deal, sum(toInt64(round(share * 1e12))), sum(value)
FROM credits
WHERE run = {run:String} AND model = {model:String} AND content = {content:String}
GROUP BY deal
