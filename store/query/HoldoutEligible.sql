-- A row is one open deal that a holdout has not drawn yet: in the holdout's stage, if it has one, whose people have not
-- had the content. An empty deal means all.
SELECT deal, stage
FROM deals(as_of = {as_of:DateTime64(3)})
WHERE status = 'open'
    AND ({stage:String} = '' OR stage = {stage:String})
    AND ({deal:String} = '' OR deal = {deal:String})
    AND deal NOT IN
    (
        SELECT deal FROM facts(as_of = {as_of:DateTime64(3)}) WHERE kind = 'assigned' AND attrs['holdout'] = {holdout:String}
    )
    AND deal NOT IN
    (
        SELECT arrayJoin(deals) FROM tied(as_of = {as_of:DateTime64(3)})
        WHERE kind IN ('sent', 'opened', 'clicked', 'viewed', 'replied', 'forwarded') AND content = {content:String} AND level >= {level:UInt8}
    )
ORDER BY deal
