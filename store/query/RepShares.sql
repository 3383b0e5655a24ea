-- A row is one tracked link of a rep that was made, mailed, opened, clicked or answered at or after a time, the
-- one used last first, with what came of it at a level of agents. A link is the rep's who made it or, as far as
-- we know, mailed it first; it is for those for whom it was made or, when that is nobody, to whom it was mailed.
WITH
    kind IN ('shared', 'sent') AS uses,
    level >= {level:UInt8} AS counts,
    arraySort(groupUniqArrayIf(contact, kind = 'shared' AND contact != '')) AS made_for,
    arraySort(groupUniqArrayIf(contact, kind = 'sent'))                     AS mailed_to
SELECT
    share,
    minIf(at, uses),
    argMinIf(content, (at, id), uses),
    max(deal),
    if(empty(made_for), mailed_to, made_for),
    minIf(at, kind = 'opened' AND counts),
    countIf(kind = 'clicked' AND counts),
    maxIf(at, kind = 'clicked' AND counts),
    groupUniqArrayArrayIf(contacts, kind = 'clicked' AND counts),
    maxIf(at, kind = 'replied' AND counts),
    groupUniqArrayArrayIf(contacts, kind = 'replied' AND counts)
FROM resolved(as_of = {as_of:DateTime64(3)})
WHERE kind IN ('shared', 'sent', 'opened', 'clicked', 'replied')
    AND share IN
    (
        -- The latest that may be the rep's, so that only of these everything is read. Some are another's, who used them before.
        SELECT share FROM resolved(as_of = {as_of:DateTime64(3)})
        WHERE kind IN ('shared', 'sent', 'opened', 'clicked', 'replied') AND share != '' AND rep = {rep:String} AND at >= {since:DateTime64(3)} AND (uses OR counts)
        GROUP BY share
        ORDER BY maxIf(at, uses) DESC, max(at) DESC, share
        LIMIT {limit:UInt64} + intDiv({limit:UInt64}, 4) + 10
    )
GROUP BY share
HAVING argMinIf(rep, (kind = 'sent', at, id), uses AND rep != '') = {rep:String}
    AND countIf(at >= {since:DateTime64(3)} AND (uses OR counts)) > 0
ORDER BY maxIf(at, uses) DESC, share
LIMIT {limit:UInt64}
