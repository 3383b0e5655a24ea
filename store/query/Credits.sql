-- A row is what one touch earned of one deal in a run: credit in 1e-12 deals, value in minor units.
SELECT deal, touch, content, known.title, toInt64(round(share * 1e12)) AS credit, value
FROM credits
LEFT JOIN (SELECT content, title FROM contents(as_of = {as_of:DateTime64(3)})) AS known USING (content)
WHERE run = {run:String} AND model = {model:String} AND deal IN {deals:Array(String)}
ORDER BY deal, content, touch
