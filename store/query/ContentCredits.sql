-- A row is what one content earned in a run: credit in 1e-12 deals, value in minor units.
SELECT content, sum(toInt64(round(share * 1e12))), sum(value)
FROM credits
WHERE run = {run:String} AND model = {model:String} AND content != '' AND ({content:String} = '' OR content = {content:String})
GROUP BY content
