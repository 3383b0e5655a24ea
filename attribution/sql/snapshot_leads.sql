-- A row is one deal with contacts of which the CRM says since when they are there, or where they came from.
INSERT INTO snapshot_leads (snapshot, deal, lead_ms, source)
SELECT {snapshot:String}, deal, minIf(created_ms, created_ms > 0), argMinIf(source, place, source != '')
FROM
(
    SELECT deal, contact, place FROM snapshot_deals ARRAY JOIN contacts AS contact, arrayEnumerate(contacts) AS place
    WHERE snapshot = {snapshot:String}
) AS listed
INNER JOIN
(
    SELECT contact, argMax((toUnixTimestamp64Milli(parseDateTime64BestEffortOrZero(attrs['created_at'], 3, 'UTC')), attrs['source']), (at, received_at, id)) AS said, said.1 AS created_ms, said.2 AS source
    FROM facts(as_of = {as_of:DateTime64(3)})
    WHERE kind = 'contact' AND (attrs['created_at'] != '' OR attrs['source'] != '')
    GROUP BY contact
) AS who ON who.contact = listed.contact
GROUP BY deal
