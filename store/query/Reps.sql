-- A row is one rep and what came of the mail, at a level of agents; see the view rep_counts.
SELECT rep, sent, contents, reached, clicked, replied
FROM rep_counts(as_of = {as_of:DateTime64(3)})
WHERE counted_at = {level:UInt8}
