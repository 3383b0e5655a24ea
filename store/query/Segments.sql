-- The only row is which segments and sizes there are, A to Z.
SELECT arraySort(groupUniqArrayIf(segment, segment != '')), arraySort(groupUniqArrayIf(size, size != ''))
FROM segments(as_of = {as_of:DateTime64(3)}) AS s
