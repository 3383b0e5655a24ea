-- A row is the stages that one deal entered before a time: those at or after another time, in order, and
-- when it entered the last.
SELECT
    deal,
    arrayMap(x -> x.3, arraySort(groupArrayIf((at, id, toString(stage)), at >= {from:DateTime64(3)}))),
    max(at)
FROM staged(as_of = {as_of:DateTime64(3)}) AS s
WHERE at < {to:DateTime64(3)}
GROUP BY deal
