-- A row is what one touch earned of one deal in a run under one of some models: credit in 1e-12 deals, value in minor units.
SELECT model, deal, touch, content, rep, kind, rule, confidence, toInt64(round(share * 1e12)), value
FROM credits
WHERE run = {run:String} AND model IN {models:Array(String)} AND deal IN {deals:Array(String)}
ORDER BY model, deal, content, touch
