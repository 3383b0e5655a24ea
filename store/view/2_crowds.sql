-- A row is the people whose link a share of several people can be, from a time on: those that it was made for
-- and those that it was mailed to by then, but of a mail to several only the one that it was made for. Before
-- the first mail it is the first mail's. Beyond 51 people nobody is added.
CREATE OR REPLACE VIEW crowds AS
SELECT
    share,
    multiIf(
        mail = '' AND max(mail) OVER (PARTITION BY share) != '', toDateTime64('2299-01-01', 3, 'UTC'), -- its making is part of the others
        row_number() OVER (PARTITION BY share ORDER BY mail = '', sent_at, mail) = 1, toDateTime64(0, 3, 'UTC'),
        sent_at - INTERVAL 5 SECOND) AS since, -- clocks of rep and server differ by seconds
    arraySort(groupUniqArrayArray(51)(named) OVER (PARTITION BY share ORDER BY mail != '', sent_at, mail)) AS people
FROM
(
    -- A row is one share in one mail or, with mail empty, as it was made, and the people that this makes candidates.
    SELECT
        share,
        multiIf(kind = 'shared', '', message = '', hex(id), message) AS mail,
        min(at) AS sent_at,
        groupUniqArrayIf(contact, contact != '') AS contacts,
        groupUniqArrayIf(contact, (share, contact) IN (SELECT share, contact FROM facts(as_of = {as_of:DateTime64(3)}) WHERE kind = 'shared' AND contact != '')) AS made,
        if(notEmpty(made), made, contacts) AS named
    FROM facts(as_of = {as_of:DateTime64(3)})
    WHERE kind IN ('shared', 'sent') AND share IN
    (
        SELECT share FROM facts(as_of = {as_of:DateTime64(3)})
        WHERE kind IN ('shared', 'sent') AND share != '' AND contact != ''
        GROUP BY share
        HAVING min(contact) != max(contact)
    )
    GROUP BY share, mail
)
