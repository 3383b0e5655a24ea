-- A row is one note with who votes for it by now, and when somebody voted last or took a vote back.
SELECT note, arraySort(groupArrayIf(voter, votes)), max(voted_at)
FROM
(
    SELECT attrs['note'] AS note, toString(rep) AS voter, argMax(attrs['not'] != 'yes', (at, received_at, id)) AS votes, max(at) AS voted_at
    FROM facts(as_of = {as_of:DateTime64(3)})
    WHERE kind = 'voted'
    GROUP BY note, voter
)
GROUP BY note
