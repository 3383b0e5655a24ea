-- A row is one kind of facts about the mail of a rep; see the view kept_counts.
SELECT kind, facts_kept, by_machines, with_word, first_at, last_at
FROM kept_counts(as_of = {as_of:DateTime64(3)})
WHERE rep = {rep:String}
