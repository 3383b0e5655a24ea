-- A row is two stages that deals were in, the first of them earlier, and how many deals.
WITH entered AS
(
    SELECT deal, if(kind = 'staged', toString(stage), attrs['stage']) AS name, min(at) AS since
    FROM facts(as_of = {as_of:DateTime64(3)})
    WHERE kind IN ('deal', 'staged') AND name != ''
    GROUP BY deal, name
)
SELECT a.name, b.name, count()
FROM entered AS a
INNER JOIN entered AS b ON b.deal = a.deal
WHERE a.since < b.since
GROUP BY a.name, b.name
