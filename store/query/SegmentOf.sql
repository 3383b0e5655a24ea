-- A row is one deal's segment, size and stage, and whether it is won.
SELECT segment, size, stage, status = 'won'
FROM segments(as_of = {as_of:DateTime64(3)}) AS s
WHERE deal = {deal:String}
