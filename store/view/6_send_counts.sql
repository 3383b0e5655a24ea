-- A row is the sends of one content, or of one rep (what): how many were of an older version, in how many an open can be seen, and in
-- how many of these one was, at one level of agents, 1 to 3 as in the view resolved. A send is one content in one mail to one contact; of a
-- link to several people one open is one. It needs nothing that only the other views know, and planning those takes longer than all this. Of
-- sends that were imported nobody knows whether an open would have been seen.
CREATE OR REPLACE VIEW send_counts AS
SELECT what, key, counted_at, stale, observable, least(observable, all_observed[counted_at]) AS observed
FROM
(
    SELECT
        said.1 AS what, said.2 AS key,
        uniqExactIf(send, has(rules, 'stale')) AS stale,
        uniqExactIf(send, visible)             AS observable,
        [uniqExactIf(xxHash64(content, s.carrier), visible AND o.level >= 1), uniqExactIf(xxHash64(content, s.carrier), visible AND o.level >= 2), uniqExactIf(xxHash64(content, s.carrier), visible AND o.level >= 3)] AS all_observed
    FROM
    (
        SELECT
            rules, content, signal != 'unobservable' AND source != 'csv' AS visible,
            xxHash64(if(message = '', hex(id), message), contact, content)                                                          AS send,
            if(share = '', xxHash64(concat(message, ' ', contact, ' ', if(message = '', toString(content), ''))), xxHash64(share))  AS carrier,
            arrayJoin([('content', toString(content)), ('rep', toString(rep))]) AS said
        FROM facts(as_of = {as_of:DateTime64(3)})
        WHERE kind = 'sent' AND content != ''
    ) AS s
    LEFT ANY JOIN
    (
        SELECT
            if(share = '', xxHash64(concat(message, ' ', contact, ' ', if(message = '', toString(content), ''))), xxHash64(share)) AS carrier,
            max(multiIf(agent = '' OR (agent = 'human' AND probability >= toFloat32(0.9)), 3, agent IN ('human', 'proxy'), 2, agent = 'self', 0, 1)) AS level
        FROM facts(as_of = {as_of:DateTime64(3)})
        WHERE kind = 'opened' AND (share != '' OR contact != '')
        GROUP BY carrier
    ) AS o ON o.carrier = s.carrier
    GROUP BY what, key
)
ARRAY JOIN [1, 2, 3] AS counted_at
