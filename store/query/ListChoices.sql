-- The only row is which roles, sources and statuses contacts have, A to Z.
SELECT arraySort(groupUniqArrayIf(role, role != '')), arraySort(groupUniqArrayIf(source, source != '')), arraySort(groupUniqArrayIf(status, status != ''))
FROM contact_states(as_of = {as_of:DateTime64(3)}) AS c
