-- A row is one deal that two runs may say different things of, up to a number of them: sums of hashes differ if the rows do.
SELECT deal
FROM
(
    SELECT e.deal AS deal, e.run = {b:String} AS later, cityHash64(touch, e.content, rep, toInt64(round(share * 1e12)), value, known.key) AS row
    FROM credits AS e
    LEFT JOIN
    (
        SELECT {a:String} AS run, content, if({by:String} = 'kind', kind, persona) AS key FROM contents(as_of = {a_as_of:DateTime64(3)}) WHERE {of_content:Bool}
        UNION ALL
        SELECT {b:String} AS run, content, if({by:String} = 'kind', kind, persona) AS key FROM contents(as_of = {b_as_of:DateTime64(3)}) WHERE {of_content:Bool}
    ) AS known ON known.run = e.run AND known.content = e.content
    WHERE e.run IN ({a:String}, {b:String}) AND model = {model:String}
    UNION ALL
    SELECT deal, run = {b:String} AS later, cityHash64(owner, team, source, stage, segment, size, domain, closed_at) AS row
    FROM run_deals
    WHERE run IN ({a:String}, {b:String}) AND status = 'won' AND {of_deal:Bool}
)
GROUP BY deal
HAVING sumIf(row, later) != sumIf(row, NOT later)
LIMIT {limit:UInt64}
