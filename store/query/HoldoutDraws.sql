-- A row is one entry of the ledger of holdouts on one deal.
SELECT attrs['holdout'], attrs['arm'], at
FROM facts(as_of = {as_of:DateTime64(3)})
WHERE kind = 'assigned' AND attrs['holdout'] != '' AND deal = {deal:String}
