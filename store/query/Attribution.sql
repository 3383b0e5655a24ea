-- A row is what one key earned in a run: credit in 1e-12 deals, value in minor units. The row of what no
-- touch earned is marked unattributed and has no key.
SELECT unattributed, key, any(title) AS name, uniqExact(deal) AS deals, sum(credit) AS credits, sum(value) AS amount
FROM
(
    SELECT
        earned.deal AS deal,
        toInt64(round(earned.share * 1e12)) AS credit,
        earned.value AS value,
        earned.touch = toFixedString('', 16) AND earned.content = '' AS unattributed,
        multiIf(
            unattributed,            '',
            {by:String} = 'content', toString(earned.content),
            {by:String} = 'rep',     toString(earned.rep),
            {by:String} = 'kind',    known.kind,
            {by:String} = 'owner',   owned.owner,
            {by:String} = 'team',    owned.attrs['team'],
            owned.attrs['source'] != '', owned.attrs['source'],
            brought.source) AS key,
        if({by:String} = 'content', known.title, '') AS title
    FROM credits AS earned
    LEFT JOIN contents(as_of = {run_as_of:DateTime64(3)}) AS known ON known.content = earned.content
    LEFT JOIN deals(as_of = {run_as_of:DateTime64(3)}) AS owned ON owned.deal = earned.deal
    LEFT JOIN
    (
        -- A row is the source of the first contact on a deal that has one.
        SELECT deal, argMin(who.source, place) AS source
        FROM (SELECT deal, contact, place FROM deals(as_of = {run_as_of:DateTime64(3)}) ARRAY JOIN contacts AS contact, arrayEnumerate(contacts) AS place) AS listed
        INNER JOIN (SELECT contact, source FROM contacts(as_of = {run_as_of:DateTime64(3)}) WHERE {by:String} = 'source' AND source != '') AS who ON who.contact = listed.contact
        GROUP BY deal
    ) AS brought ON brought.deal = earned.deal
    WHERE earned.run = {run:String} AND earned.model = {model:String}
)
GROUP BY unattributed, key
ORDER BY amount DESC, credits DESC, key
