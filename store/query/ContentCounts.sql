-- A row is what happened to one content at a level of agents; see the view content_counts.
SELECT content, reps, sent, reached, opened, opens, clicked, clicks, nameless, replied, machine, deals, won, lost, last_sent
FROM content_counts(as_of = {as_of:DateTime64(3)})
WHERE counted_at = {level:UInt8} AND ({content:String} = '' OR content = {content:String})
