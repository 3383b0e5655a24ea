-- A row is one deal of which only stages are known: it is open and has no amount. One that was retracted is gone, whatever its stages.
INSERT INTO snapshot_deals (snapshot, deal, name, status, reason, until_ms)
SELECT {snapshot:String}, xxHash64(deal), deal, 'open', 'no amount', 0
FROM facts(as_of = {as_of:DateTime64(3)}) AS f
WHERE kind = 'staged' AND deal != ''
    AND xxHash64(deal) NOT IN (SELECT deal FROM snapshot_deals WHERE snapshot = {snapshot:String})
    AND deal NOT IN (SELECT deal FROM facts(as_of = {as_of:DateTime64(3)}) AS g WHERE kind = 'retracted')
GROUP BY deal
