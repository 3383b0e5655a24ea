-- A row is one touch in the future, or one deal or content that events name and nobody registered (what), with how many
-- events these are, when the last one was, and that one. The last column is how many rows there are of a kind.
SELECT wrong.1, wrong.2, n, last, one.1, one.2, one.3, one.4, count() OVER (PARTITION BY wrong.1)
FROM
(
    SELECT wrong, count() AS n, max(at) AS last, argMax((toString(kind), deal, toString(content), contact), (at, id)) AS one
    FROM
    (
        SELECT
            at, id, kind, deal, content, contact,
            arrayJoin(arrayFilter(w -> w.3,
            [
                ('touch_in_future', hex(id),           at > {tomorrow:DateTime64(3)} AND kind IN ('sent', 'opened', 'clicked', 'viewed', 'replied')),
                ('unknown_deal',    deal,              deal != '' AND deal NOT IN (SELECT deal FROM facts(as_of = {as_of:DateTime64(3)}) WHERE kind IN ('deal', 'staged', 'retracted'))),
                ('unknown_content', toString(content), content NOT IN ('', '.', '..') AND content NOT IN (SELECT content FROM facts(as_of = {as_of:DateTime64(3)}) WHERE kind = 'content'))
            ])) AS wrong
        FROM facts(as_of = {as_of:DateTime64(3)})
        WHERE kind NOT IN ('deal', 'content', 'contact', 'staged', 'retracted')
    )
    GROUP BY wrong
)
ORDER BY wrong.1, last DESC, wrong.2
LIMIT {limit:UInt64} BY wrong.1
