-- A row is one contact, link or company (kind and subject) whose touches nobody can tell to one deal: how many, the last
-- of them, its people, and the candidates, which are the deals that were open at the last. why is contact (they are on
-- several), link (they are of several companies), company (they are on none, and the company has several) or none: one
-- contact who is on none, nor has the company any. The last column is how many rows there are of a kind.
SELECT why, kind, subject, people, domain, touches, last, candidates, count() OVER (PARTITION BY why)
FROM
(
    SELECT
        kind, subject, people, domain, touches, last, if(notEmpty(own), own, general) AS candidates,
        multiIf(
            notEmpty(own),     multiIf(companies > 1, 'link', length(own) > 1, 'contact', ''),
            notEmpty(general), 'company',
            kind = 'contact' AND NOT on_any, 'none', '') AS why
    FROM
    (
        SELECT
            kind, subject, people, domain, touches, last, companies, on_any,
            arraySort(arrayFilter(d -> NOT has(denied, d), theirs))                           AS own,
            arraySort(arrayFilter(d -> NOT has(denied, d), if(companies > 1, [], of_company))) AS general
        FROM
        (
            SELECT
                s.kind AS kind, s.subject AS subject,
                any(s.people)  AS people,
                any(s.touches) AS touches,
                any(s.last)    AS last,
                max(if(w.domain != '', w.domain, s.account))                                         AS domain,
                uniqExactIf(if(w.domain != '', w.domain, s.person), has(s.people, s.person))         AS companies,
                max(notEmpty(p.deals))                                                               AS on_any,
                groupUniqArrayArrayIf(p.denied, s.person = s.subject)                                AS denied,
                groupUniqArrayArrayIf(arrayFilter(d -> d.1 >= s.last, p.deals).2, has(s.people, s.person)) AS theirs,
                groupUniqArrayArray(arrayFilter(d -> d.1 >= s.last, c.deals).2)                      AS of_company
            FROM
            (
                -- A row is one person of a subject, or a link for what was said of it, or a company without a person.
                SELECT who.1 AS kind, who.2 AS subject, company AS account, people, touches, last, arrayJoin(if(kind = 'contact', people, arrayPushBack(people, subject))) AS person
                FROM
                (
                    SELECT
                        multiIf(length(contacts) = 1, ('contact', contacts[1]), notEmpty(contacts), ('link', share), ('account', toString(account))) AS who,
                        max(toString(account)) AS company, groupUniqArrayArray(20)(contacts) AS people, uniqExact(id) AS touches, max(t.at) AS last
                    FROM tied(as_of = {as_of:DateTime64(3)}) AS t
                    WHERE kind IN ('clicked', 'viewed', 'replied') AND content != '' AND level >= {level:UInt8} AND (rule = '' OR rule = 'contact' AND confidence < 0.9)
                    GROUP BY who
                )
                WHERE who.2 != ''
            ) AS s
            LEFT JOIN (SELECT contact, toString(domain) AS domain FROM contact_states(as_of = {as_of:DateTime64(3)})) AS w ON w.contact = s.person
            LEFT JOIN parties(as_of = {as_of:DateTime64(3)}) AS p ON p.party = s.person
            LEFT JOIN parties(as_of = {as_of:DateTime64(3)}) AS c ON c.party = if(w.domain != '', w.domain, s.account)
            GROUP BY kind, subject
        )
    )
)
WHERE why != ''
ORDER BY why, last DESC, subject
LIMIT {limit:UInt64} BY why
