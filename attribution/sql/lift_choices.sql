-- The only row is what the stage entries that a run compares can be told apart by.
SELECT
    arraySort(groupUniqArrayIf(stage, stage != '')),
    arraySort(groupUniqArrayIf(segment, segment != '')),
    arraySort(groupUniqArrayIf(size, size != '')),
    arraySort(groupUniqArrayIf(owner, owner != '')),
    arraySort(groupUniqArrayIf(team, team != '')),
    arraySort(groupUniqArrayIf(source, source != ''))
FROM lift_entries
WHERE run = {run:String} AND known
