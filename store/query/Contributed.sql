-- A row is one content in the trail of one deal, with its touches before a time at a level of agents.
SELECT deal, content, known.title, uniqExact(id) AS touches
FROM deal_touches(as_of = {as_of:DateTime64(3)}) AS touched
LEFT JOIN (SELECT content, title FROM contents(as_of = {as_of:DateTime64(3)})) AS known USING (content)
WHERE deal IN {deals:Array(String)} AND at < {to:DateTime64(3)} AND kind IN ('clicked', 'viewed', 'replied') AND level >= {level:UInt8}
GROUP BY deal, content, known.title
ORDER BY deal, touches DESC, content
