-- A row is one contact that a filter of leads finds; an empty value means any.
SELECT contact
FROM contacts(as_of = {as_of:DateTime64(3)}) AS c
WHERE address != '' AND ({persona:String} = '' OR role = {persona:String}) AND ({source:String} = '' OR source = {source:String}) AND ({status:String} = '' OR status = {status:String})
    AND ({segment:String} = '' AND {size:String} = ''
        OR domain IN
        (
            SELECT domain FROM segments(as_of = {as_of:DateTime64(3)}) AS s
            WHERE domain != '' AND ({segment:String} = '' OR segment = {segment:String}) AND ({size:String} = '' OR size = {size:String})
        )
        OR contact IN
        (
            SELECT arrayJoin(contacts) FROM segments(as_of = {as_of:DateTime64(3)}) AS s
            WHERE ({segment:String} = '' OR segment = {segment:String}) AND ({size:String} = '' OR size = {size:String})
        ))
    AND ({stage:String} = '' OR contact IN (SELECT arrayJoin(contacts) FROM segments(as_of = {as_of:DateTime64(3)}) AS s WHERE status = 'open' AND stage = {stage:String}))
ORDER BY contact
