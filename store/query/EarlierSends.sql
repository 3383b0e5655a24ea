-- A row is the newest mail of a period in which one other rep sent one contact a content, or one that it
-- succeeds. was is the content as it was sent, latest as it is by now; a mail from before the content was
-- registered had what was registered first. changed says that version, url or file are not what they were.
SELECT
    contact, rep, mailed, sent_content, latest.5 AS title, was.4 AS was_version, latest.4 AS latest_version,
    (was.4, was.6, was.7) != (latest.4, latest.6, latest.7) AS changed
FROM
(
    SELECT
        s.contact AS contact, s.rep AS rep, s.at AS mailed, s.id AS mail, s.content AS sent_content,
        c.states[-1] AS latest,
        if(c.states[1].1 > s.at, c.states[1], arrayLast(x -> x.1 <= s.at, c.states)) AS was
    FROM
    (
        SELECT id, at, contact, rep, content
        FROM resolved(as_of = {as_of:DateTime64(3)})
        WHERE kind = 'sent' AND hasAny(contacts, {contacts:Array(String)}) AND rep NOT IN ('', {rep:String})
            AND at >= {since:DateTime64(3)} AND at <= {until:DateTime64(3)}
    ) AS s
    INNER JOIN
    (
        -- A row is one content with what was registered of it, in order.
        SELECT content, arraySort(groupArray((at, received_at, id, attrs['version'], attrs['title'], attrs['url'], attrs['file'], attrs['successor']))) AS states
        FROM facts(as_of = {as_of:DateTime64(3)})
        WHERE kind = 'content'
        GROUP BY content
    ) AS c ON c.content = s.content
    WHERE s.content = {content:String} OR c.states[-1].8 = {content:String}
)
ORDER BY mailed DESC, sent_content = {content:String} DESC, mail DESC
LIMIT 1 BY contact, rep
LIMIT {limit:UInt64}
