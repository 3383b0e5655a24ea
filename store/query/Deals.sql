-- A row is one deal in its latest state, with its touches at a level of agents. by says which deals: all,
-- those that keys names (id), or those of a contact or a domain.
SELECT
    deal, name, account, domain, attrs['amount'] AS amount, currency, stage, status, owner, created_at, closed_at, loss_reason, contacts,
    touched.touches, touched.last_touch
FROM deals(as_of = {as_of:DateTime64(3)}) AS known
LEFT JOIN
(
    SELECT deal, uniqExact(id) AS touches, max(at) AS last_touch
    FROM deal_touches(as_of = {as_of:DateTime64(3)})
    WHERE kind IN ('clicked', 'viewed', 'replied') AND level >= {level:UInt8}
    GROUP BY deal
) AS touched USING (deal)
WHERE deal > {after:String}
    AND multiIf(
        {by:String} = 'id', deal IN {keys:Array(String)},
        {by:String} = 'contact', hasAny(contacts, {keys:Array(String)}),
        {by:String} = 'domain', domain IN {keys:Array(String)},
        true)
ORDER BY deal
LIMIT {limit:UInt64}
