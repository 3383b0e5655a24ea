-- A row is one deal that entered one stage.
CREATE OR REPLACE VIEW staged AS
SELECT deal, at, id, stage
FROM facts(as_of = {as_of:DateTime64(3)})
WHERE kind = 'staged'
