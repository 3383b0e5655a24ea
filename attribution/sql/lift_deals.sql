-- The only row is how many deals of a run are closed, how many of these since a time, and how many of the won ones were divided.
SELECT
    countIf(status IN ('won', 'lost')),
    countIf(status IN ('won', 'lost') AND closed_at > {since:DateTime64(3)} AND closed_at <= {as_of:DateTime64(3)}),
    countIf(status = 'won' AND reason = '')
FROM run_deals
WHERE run = {run:String}
    AND ({segment:String} = '' OR if(segment != '', segment, size) = {segment:String}) AND ({size:String} = '' OR size = {size:String})
    AND ({owner:String} = '' OR lower(owner) = lower({owner:String})) AND ({team:String} = '' OR team = {team:String}) AND ({source:String} = '' OR source = {source:String})
