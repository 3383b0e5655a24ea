-- A row is one verdict with its clicks and opens since two times.
SELECT toString(agent), countIf(kind = 'clicked' AND at >= {week:DateTime64(3)}), countIf(kind = 'opened' AND at >= {week:DateTime64(3)}), countIf(kind = 'clicked'), countIf(kind = 'opened')
FROM resolved(as_of = {as_of:DateTime64(3)})
WHERE kind IN ('clicked', 'opened') AND at >= {month:DateTime64(3)}
GROUP BY agent
ORDER BY indexOf(['human', 'proxy', 'scanner', 'unknown', 'self', ''], toString(agent))
