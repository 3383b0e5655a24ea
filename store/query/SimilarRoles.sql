-- A row is one role of people on deals: on how many of them somebody with it is.
SELECT role, uniqExact(deal)
FROM
(
    SELECT deal, arrayJoin(contacts) AS person
    FROM segments(as_of = {as_of:DateTime64(3)}) AS s
    WHERE deal IN {deals:Array(String)}
) AS on_deal
INNER JOIN (SELECT contact, role FROM contact_states(as_of = {as_of:DateTime64(3)}) AS c WHERE role != '') AS who ON who.contact = on_deal.person
GROUP BY role
ORDER BY uniqExact(deal) DESC, role
