-- A row is the sends of one key, a content or a rep, at a level of agents; see the view send_counts.
SELECT key, stale, observable, observed
FROM send_counts(as_of = {as_of:DateTime64(3)})
WHERE what = {by:String} AND counted_at = {level:UInt8} AND ({content:String} = '' OR key = {content:String})
