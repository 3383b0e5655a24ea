-- A row is one value of what the credits of a run are filtered by: of its deals, of the contents that were registered by
-- then or earned anything, or of the reps who did.
SELECT DISTINCT value
FROM
(
    SELECT multiIf(
        {by:String} = 'deal',    deal,
        {by:String} = 'owner',   toString(owner),
        {by:String} = 'team',    toString(team),
        {by:String} = 'source',  toString(source),
        {by:String} = 'stage',   toString(stage),
        {by:String} = 'segment', toString(segment),
        {by:String} = 'size',    toString(size),
        {by:String} = 'account', toString(domain),
        formatDateTime(closed_at, '%Y-%m', {zone:String})) AS value
    FROM run_deals
    WHERE run = {run:String} AND status = 'won' AND {by:String} NOT IN ('content', 'kind', 'persona', 'rep')
    UNION ALL
    SELECT multiIf({by:String} = 'content', toString(content), {by:String} = 'kind', kind, persona)
    FROM contents(as_of = {run_as_of:DateTime64(3)})
    WHERE {by:String} IN ('content', 'kind', 'persona')
    UNION ALL
    SELECT DISTINCT if({by:String} = 'content', toString(content), toString(rep))
    FROM credits
    WHERE run = {run:String} AND touch != toFixedString('', 16) AND {by:String} IN ('content', 'rep')
)
ORDER BY value
