-- A row is one stage that the ordered list does not have (stage_unknown), with how many deals were in it and one of
-- them, or one deal that went back to an earlier stage (stage_backwards). Stages are compared without regard to case;
-- the last one of a deal that ended may be any. The last column is how many rows there are of a kind.
SELECT what, one.1, one.2, one.3, detail, n, count() OVER (PARTITION BY what)
FROM
(
    SELECT wrong.1 AS what, wrong.2 AS detail, min((deal, name, status)) AS one, uniqExact(deal) AS n
    FROM
    (
        SELECT
            deal, name, status,
            arrayJoin(arrayConcat(
                arrayMap(s -> ('stage_unknown', s, ''), arrayDistinct(arrayFilter(s -> s != '' AND NOT has(known, lower(s)), stages))),
                arrayMap(p -> ('stage_backwards', concat({stages:Array(String)}[p.1], ', ', {stages:Array(String)}[p.2]), deal), arrayFilter(p -> p.2 > 0 AND p.2 < p.1, arrayMap((here, next) -> (here, next), places, arrayShiftLeft(places, 1)))))) AS wrong
        FROM
        (
            SELECT
                d.deal AS deal, d.name AS name, d.status AS status,
                arrayMap(s -> lower(s), {stages:Array(String)}) AS known,
                if(d.status = 'open', arrayPushBack(h.entered, toString(d.stage)), arrayPopBack(h.entered)) AS stages,
                arrayMap(s -> indexOf(arrayMap(k -> lower(k), {stages:Array(String)}), lower(s)), h.entered) AS places
            FROM deals(as_of = {as_of:DateTime64(3)}) AS d
            LEFT JOIN
            (
                SELECT deal, arrayMap(x -> x.3, arraySort(groupArray((at, id, toString(stage))))) AS entered
                FROM facts(as_of = {as_of:DateTime64(3)})
                WHERE kind = 'staged'
                GROUP BY deal
            ) AS h ON h.deal = d.deal
        )
    )
    GROUP BY wrong
)
ORDER BY what, n DESC, detail, one
LIMIT {limit:UInt64} BY what
