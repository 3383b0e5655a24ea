-- A row is one request from one of the given origins within its time; first and last (in hex) are what the IDs of all
-- these times begin with.
SELECT
    id, revision, kind, at, received_at, source, content, share, message, contact, account, rep, deal, agent, probability, rules, signal,
    rule_set, signs, network, origin, device, led_to, withheld
FROM facts(as_of = {as_of:DateTime64(3)})
WHERE id >= toFixedString(unhex({first:String}), 16) AND id <= toFixedString(concat(unhex({last:String}), unhex('ffffffffffffffffffff')), 16)
    AND kind IN ('opened', 'clicked') AND rule_set > 0 AND origin IN {origins:Array(String)}
    AND arrayExists((o, f, t) -> origin = o AND toUnixTimestamp64Milli(at) BETWEEN f AND t, {origins:Array(String)}, {from:Array(Int64)}, {to:Array(Int64)})
ORDER BY id
LIMIT {limit:UInt64}
