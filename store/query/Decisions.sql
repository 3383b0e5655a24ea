-- A row is the latest word of one weekly review on one lead or deal. An empty week means all weeks.
SELECT
    contact, deal,
    argMax(attrs, (at, received_at, id)) AS last_attrs,
    argMax(rep, (at, received_at, id))   AS last_rep,
    max(at)                              AS last_at
FROM facts(as_of = {as_of:DateTime64(3)})
WHERE kind = 'decided' AND attrs['week'] != '' AND ({week:String} = '' OR attrs['week'] = {week:String})
GROUP BY attrs['week'] AS week, contact, deal
ORDER BY week DESC, contact, deal
