-- A row is one content with how many deals won in a period it was part of before they closed: sent, shown, clicked,
-- read, answered or passed on. The row without a content is that of any content.
SELECT arrayJoin(['', toString(content)]) AS part, uniqExact(t.deal)
FROM
(
    SELECT content, at, deal FROM deal_events(as_of = {as_of:DateTime64(3)}) WHERE content != '' AND level >= {level:UInt8}
) AS t
INNER JOIN
(
    SELECT deal, closed_at FROM deals(as_of = {as_of:DateTime64(3)})
    WHERE status = 'won' AND closed_at > toDateTime64(0, 3, 'UTC') AND closed_at >= {from:DateTime64(3)} AND closed_at <= {to:DateTime64(3)}
) AS won ON won.deal = t.deal
WHERE t.at <= won.closed_at
GROUP BY part
