-- A row is one deal in its latest state. by says which deals: all, those that keys names (id), those of
-- contacts or domains, or the open ones of owners.
SELECT deal, name, account, domain, attrs['amount'], currency, stage, status, owner, created_at, closed_at, loss_reason, contacts, known_at
FROM deals(as_of = {as_of:DateTime64(3)})
WHERE deal > {after:String}
    AND multiIf(
        {by:String} = 'id', deal IN {keys:Array(String)},
        {by:String} = 'contact', hasAny(contacts, {keys:Array(String)}),
        {by:String} = 'domain', domain IN {keys:Array(String)},
        {by:String} = 'owner', status = 'open' AND lower(owner) IN {keys:Array(String)},
        true)
ORDER BY deal
LIMIT {limit:UInt64}
