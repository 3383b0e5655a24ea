-- A row is what one key earned in a run under a model: credit in 1e-12 deals, value in minor units, what was won apart from
-- what was given back, each with the sum of its squares over deals and the largest deal's. The row of what no touch earned
-- is marked unattributed and has no key. credits_in_all and value_in_all are of all rows, whatever the limit.
SELECT
    unattributed, key, count() AS deals,
    sum(credit) AS credits, toFloat64(sum(toInt256(credit) * credit)) AS credit_squares, max(credit) AS most_credit,
    sum(value) AS amount,
    sumIf(value, value > 0) AS won, toFloat64(sumIf(toInt256(value) * value, value > 0)) AS won_squares, greatest(max(value), 0) AS most_won,
    -sumIf(value, value < 0) AS back, toFloat64(sumIf(toInt256(value) * value, value < 0)) AS back_squares, -least(min(value), 0) AS most_back,
    count() OVER () AS rows_in_all, sum(credits) OVER () AS credits_in_all, sum(amount) OVER () AS value_in_all
FROM
(
    SELECT
        earned.deal AS deal,
        earned.content = '' AS unattributed,
        multiIf(
            {by:String} = 'deal',    earned.deal,
            unattributed,            '',
            {by:String} = 'content', toString(earned.content),
            {by:String} = 'rep',     toString(earned.rep),
            {by:String} = 'kind',    known.kind,
            {by:String} = 'persona', known.persona,
            owned.key) AS key,
        sum(toInt64(round(earned.share * 1e12))) AS credit,
        sum(earned.value) AS value
    FROM credits AS earned
    LEFT JOIN
    (
        SELECT content, kind, persona FROM contents(as_of = {run_as_of:DateTime64(3)}) WHERE {of_content:Bool}
    ) AS known ON known.content = earned.content
    LEFT JOIN
    (
        SELECT
            deal,
            multiIf(
                {by:String} = 'owner',   toString(owner),
                {by:String} = 'team',    toString(team),
                {by:String} = 'source',  toString(source),
                {by:String} = 'stage',   toString(stage),
                {by:String} = 'segment', toString(segment),
                {by:String} = 'size',    toString(size),
                {by:String} = 'account', toString(domain),
                {by:String} = 'month',   formatDateTime(closed_at, '%Y-%m', {zone:String}),
                '') AS key
        FROM run_deals
        WHERE run = {run:String} AND {of_deal:Bool} AND status = 'won'
            AND (empty({owner:Array(String)}) OR has({owner:Array(String)}, owner))
            AND (empty({team:Array(String)}) OR has({team:Array(String)}, team))
            AND (empty({source:Array(String)}) OR has({source:Array(String)}, source))
            AND (empty({stage:Array(String)}) OR has({stage:Array(String)}, stage))
            AND (empty({segment:Array(String)}) OR has({segment:Array(String)}, segment))
            AND (empty({size:Array(String)}) OR has({size:Array(String)}, size))
            AND (empty({account:Array(String)}) OR has({account:Array(String)}, domain))
            AND (empty({month:Array(String)}) OR has({month:Array(String)}, formatDateTime(closed_at, '%Y-%m', {zone:String})))
    ) AS owned ON owned.deal = earned.deal
    WHERE earned.run = {run:String} AND earned.model = {model:String}
        AND (NOT {of_deal:Bool} OR owned.deal != '')
        AND ({by:String} != 'deal' OR notEmpty({content:Array(String)}) OR earned.content != '') -- nobody's only when asked for
        AND (empty({deal:Array(String)}) OR has({deal:Array(String)}, earned.deal))
        AND (empty({content:Array(String)}) OR has({content:Array(String)}, earned.content))
        AND (empty({rep:Array(String)}) OR has({rep:Array(String)}, earned.rep) AND earned.content != '')
        AND (empty({kind:Array(String)}) OR has({kind:Array(String)}, known.kind) AND earned.content != '')
        AND (empty({persona:Array(String)}) OR has({persona:Array(String)}, known.persona) AND earned.content != '')
    GROUP BY deal, unattributed, key
)
GROUP BY unattributed, key
ORDER BY amount DESC, credits DESC, key
LIMIT {limit:UInt64} OFFSET {offset:UInt64}
