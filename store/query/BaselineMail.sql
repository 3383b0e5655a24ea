-- The only row is what the mail of a period says of all content together. A send is one content in one mail to one
-- contact; it counts under what tells most: a tracked link, else a file, else a plain link. Of what was imported nobody
-- knows whether an open would have been seen.
WITH
    (
        SELECT (countIf(written), countIf(written AND NOT answered))
        FROM
        (
            SELECT countIf(kind = 'sent') > 0 AS written, countIf(kind = 'replied') > 0 AS answered
            FROM mail_events(as_of = {as_of:DateTime64(3)})
            WHERE kind IN ('sent', 'replied') AND contact != '' AND at >= {from:DateTime64(3)} AND at <= {to:DateTime64(3)}
            GROUP BY contact
        )
    ) AS people
SELECT
    count() AS sends,
    countIf(tracked),
    countIf(NOT tracked AND file),
    countIf(NOT tracked AND NOT file AND plain),
    countIf(stale),
    countIf(observable),
    uniqExactArray(reps),
    uniqExact(contact),
    people.1 AS written,
    people.2 AS unanswered
FROM
(
    SELECT
        contact,
        max(has(rules, 'tracked') OR share != '') AS tracked,
        max(has(rules, 'file'))                   AS file,
        max(has(rules, 'plain_link'))             AS plain,
        max(has(rules, 'stale'))                  AS stale,
        max(signal != 'unobservable' AND source != 'csv') AS observable,
        groupUniqArrayIf(toString(rep), rep != '') AS reps
    FROM mail_events(as_of = {as_of:DateTime64(3)})
    WHERE kind = 'sent' AND content != '' AND at >= {from:DateTime64(3)} AND at <= {to:DateTime64(3)}
    GROUP BY content, if(message = '', hex(id), message) AS mail, contact
)
