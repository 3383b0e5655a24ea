-- A row is what was loaded since a run: old is the number of facts that were there for it to see; fresh are those received or
-- revised after it that can change a credit.
SELECT
    countIf(received_at <= {run_as_of:DateTime64(3)}) AS old,
    countIf(kind IN {kinds:Array(String)} AND (received_at > {run_as_of:DateTime64(3)} OR revised_at > {run_as_of:DateTime64(3)})) AS fresh
FROM facts(as_of = {as_of:DateTime64(3)})
