-- A row is the latest choice on tracking of one subject: a contact, a company by domain, or a share whose
-- people are not known. The CRM's word counts from the date that it gives and, without one, only where
-- nothing else was said; what a person asked for is never overruled by something older.
SELECT subject_kind, subject, argMax(agrees, (chosen_at, NOT agrees)), argMax(basis, (chosen_at, NOT agrees)), max(chosen_at)
FROM
(
    SELECT
        multiIf(contact != '', 'contact', account != '', 'account', 'share') AS subject_kind,
        multiIf(contact != '', contact, account != '', toString(account), share) AS subject,
        kind = 'consented' AS agrees, at AS chosen_at, attrs['basis'] AS basis
    FROM facts(as_of = {as_of:DateTime64(3)})
    WHERE kind IN ('consented', 'optedout')
    UNION ALL
    -- Who is found out later to have had a link that was stopped; not who has one that many have.
    SELECT 'contact', arrayJoin(s.people), false, o.stopped_at, 'stopped'
    FROM
    (
        SELECT share, groupUniqArray(contact) AS people FROM facts(as_of = {as_of:DateTime64(3)})
        WHERE kind IN ('sent', 'shared') AND contact != '' AND share != ''
            AND share IN (SELECT share FROM facts(as_of = {as_of:DateTime64(3)}) WHERE kind = 'optedout' AND share != '' AND contact = '')
        GROUP BY share
        HAVING length(people) <= {crowd:UInt64}
    ) AS s
    INNER JOIN
    (
        SELECT share, max(at) AS stopped_at FROM facts(as_of = {as_of:DateTime64(3)})
        WHERE kind = 'optedout' AND share != '' AND contact = ''
        GROUP BY share
    ) AS o ON o.share = s.share
    UNION ALL
    -- A refusal without a date is as old as our knowledge of it, a consent older than anything else.
    SELECT 'contact', contact, said['consent'] = 'yes',
        if(said['consent_at'] = '' AND said['consent'] = 'no', said_at, parseDateTime64BestEffortOrZero(said['consent_at'], 3, 'UTC')), said['consent_basis']
    FROM
    (
        SELECT contact, argMax(attrs, (at, received_at, id)) AS said, max(at) AS said_at
        FROM facts(as_of = {as_of:DateTime64(3)})
        WHERE kind = 'contact'
        GROUP BY contact
    )
    WHERE said['consent'] IN ('yes', 'no')
)
WHERE {subject:String} = '' OR subject = {subject:String}
GROUP BY subject_kind, subject
