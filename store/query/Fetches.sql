-- A row is one request for a pixel or a link of the given shares that kept its evidence; of those that no mail was seen
-- with (unmailed), only what came from a known place.
SELECT
    id, revision, kind, at, received_at, source, content, share, message, contact, account, rep, deal, agent, probability, rules, signal,
    rule_set, signs, network, origin, device, led_to, withheld
FROM facts(as_of = {as_of:DateTime64(3)})
WHERE kind IN ('opened', 'clicked', 'trapped') AND rule_set > 0
    AND (share IN {shares:Array(String)} OR share IN {unmailed:Array(String)} AND origin != '')
ORDER BY id DESC
LIMIT {limit:UInt64}
