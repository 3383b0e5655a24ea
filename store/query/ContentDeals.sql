-- A row is one deal that a content touched or earned of, with what it earned: credit in 1e-12 deals, value
-- in minor units.
SELECT deal, sum(credit) AS credit, sum(value) AS value
FROM
(
    SELECT DISTINCT deal, toInt64(0) AS credit, toInt64(0) AS value
    FROM deal_touches(as_of = {as_of:DateTime64(3)})
    WHERE content = {content:String} AND kind IN ('clicked', 'viewed', 'replied') AND level >= {level:UInt8}
    UNION ALL
    SELECT deal, toInt64(round(share * 1e12)), value
    FROM credits
    WHERE run = {run:String} AND model = {model:String} AND content = {content:String}
)
GROUP BY deal
ORDER BY deal
