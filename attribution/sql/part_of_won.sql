-- A row is one content and how many won deals of a run had a touch of it before the close. Linear gives each touch a part.
SELECT content, uniqExact(deal) AS deals
FROM credits
WHERE run = {run:String} AND model = 'linear' AND content != '' AND deal IN
(
    SELECT deal FROM run_deals
    WHERE run = {run:String}
        AND ({segment:String} = '' OR if(segment != '', segment, size) = {segment:String}) AND ({size:String} = '' OR size = {size:String})
        AND ({owner:String} = '' OR lower(owner) = lower({owner:String})) AND ({team:String} = '' OR team = {team:String}) AND ({source:String} = '' OR source = {source:String})
)
GROUP BY content
ORDER BY deals DESC, content
