-- A row is one registered contact whose last registration names the company, as in the view contacts; gone if the CRM retracted it. To read the attributes of
-- last registrations only is several times as fast as to carry all of them through an aggregation.
INSERT INTO layout_contacts (layout, contact, account, domain, role, owner, status, source, created_at, attrs, id, gone)
SELECT
    {snapshot:String}, contact, attrs['account'], account, attrs['role'], attrs['owner'], attrs['status'], attrs['source'],
    parseDateTime64BestEffortOrZero(attrs['created_at'], 3, 'UTC'), attrs, id, false
FROM facts(as_of = {as_of:DateTime64(3)}) AS f
WHERE kind = 'contact' AND contact != '' AND account != '' AND reinterpretAsUInt128(id) NOT IN
(
    -- those that newer ones replaced
    SELECT arrayJoin(arrayFilter(x -> x != argMax(reinterpretAsUInt128(id), (at, received_at, id)), groupArray(reinterpretAsUInt128(id))))
    FROM facts(as_of = {as_of:DateTime64(3)}) AS f
    WHERE kind IN ('contact', 'retracted') AND contact != ''
    GROUP BY contact
    HAVING count() > 1
)
