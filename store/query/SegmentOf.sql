-- A row is one deal's segment, size and stage.
SELECT segment, size, stage
FROM segments(as_of = {as_of:DateTime64(3)}) AS s
WHERE deal = {deal:String}
