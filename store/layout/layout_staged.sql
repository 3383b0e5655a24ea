-- A row is one deal of which only stages are known, as in the view deals. One that was retracted is gone, whatever its stages.
INSERT INTO layout_deals (layout, deal, stage, status, known_at)
SELECT {snapshot:String}, deal, argMax(stage, (at, id)), 'open', min(at)
FROM facts(as_of = {as_of:DateTime64(3)}) AS f
WHERE kind = 'staged' AND deal != ''
    AND xxHash64(deal) NOT IN (SELECT xxHash64(deal) FROM layout_deals WHERE layout = {snapshot:String})
    AND deal NOT IN (SELECT deal FROM facts(as_of = {as_of:DateTime64(3)}) AS g WHERE kind = 'retracted')
GROUP BY deal
