-- A row is what ties a key to deals: a contact, a company without a person, a share of several people, or "deal " and the ID of a
-- merged deal. told are its deals by a person's word, or the deal that a merged one went into; told_until is when the last of these
-- closes. theirs are the deals that its people are on: of several people all of theirs if they are of one company, else those that
-- each of them is on; among are all of these, each (when it closes, deal). sure is how sure it is that they are meant, before it is
-- shared by the deals that were open. only is the company's deal that closes last: it is the only one open between only_since, when
-- the one before closes, and only_until; only_rule is assigned if a person said so. What a person said does not belong together is in none.
CREATE OR REPLACE VIEW ties AS
SELECT
    key,
    told,
    told_until,
    arrayFilter(x -> NOT has(denied, x), if(companies = 1, one_of_them, each_of_them)) AS theirs,
    if(companies > 1 AND empty(each_of_them), toDateTime64(0, 3, 'UTC'), theirs_until) AS theirs_until,
    among,
    sure,
    only,
    if(companies > 1 OR hasAny(denied, only), toDateTime64(0, 3, 'UTC'), only_until) AS only_until,
    only_since,
    only_rule
FROM
(
    SELECT
        who.1 AS key,
        uniqExact(domain)                                           AS companies,
        groupUniqArrayArrayIf(d.denied, who.3 = who.1)              AS denied,
        groupUniqArrayArrayIf(d.told.2, who.3 = who.1)              AS told,
        maxIf(arrayMax(d.told.1), who.3 = who.1)                    AS told_until,
        groupUniqArrayArrayIf(d.deals.2, who.2 = 'person')          AS one_of_them,
        groupArrayIntersectIf(d.deals.2, who.2 = 'person')          AS each_of_them,
        maxIf(arrayMax(d.deals.1), who.2 = 'person')                AS theirs_until,
        groupUniqArrayArrayIf(d.deals, who.2 = 'person')            AS among,
        avgIf(if(empty(d.deals), 0, 0.95), who.2 = 'person')        AS sure,
        anyIf([arrayReverseSort(if(empty(d.told), d.deals, d.told))[1].2], who.2 = 'company') AS only,
        anyIf(arrayMax(if(empty(d.told), d.deals.1, d.told.1)), who.2 = 'company') AS only_until,
        anyIf(arrayReverseSort(if(empty(d.told), d.deals, d.told))[2].1, who.2 = 'company') AS only_since,
        anyIf(if(empty(d.told), 'account', 'assigned'), who.2 = 'company') AS only_rule
    FROM
    (
        SELECT
            arrayJoin(if(contact = domain, [(domain, 'company', domain)], arrayConcat([(contact, 'person', contact), (contact, 'company', domain)],
                arrayFlatten(arrayMap(s -> [(s, 'person', contact), (s, 'company', domain), (s, 'link', s)], shares))))) AS who,
            domain
        FROM
        (
            SELECT
                multiIf(contact != '', contact, kind = 'retracted', concat('deal ', deal), toString(account)) AS contact,
                argMaxIf(toString(account), (kind = 'contact', at, received_at, id), account != '') AS domain,
                groupUniqArrayIf(share, kind IN ('shared', 'sent') AND share IN
                (
                    SELECT share FROM facts(as_of = {as_of:DateTime64(3)})
                    WHERE kind IN ('shared', 'sent') AND share != '' AND contact != ''
                    GROUP BY share
                    HAVING min(contact) != max(contact)
                )) AS shares
            FROM facts(as_of = {as_of:DateTime64(3)})
            WHERE contact != '' OR account != '' AND kind NOT IN ('deal', 'staged') OR kind = 'retracted' AND deal != ''
            GROUP BY contact
        )
    ) AS w
    LEFT JOIN parties(as_of = {as_of:DateTime64(3)}) AS d ON d.party = w.who.3
    GROUP BY key
)
