-- A row is one run that nobody asked for, that newer ones of the same kind replaced and that no budget page is of; see thin.
SELECT id
FROM
(
    SELECT id, started_at,
        row_number() OVER (PARTITION BY agents, toDate(started_at) ORDER BY as_of DESC, id DESC)         AS of_day,
        row_number() OVER (PARTITION BY agents, toStartOfWeek(started_at, 1) ORDER BY as_of DESC, id DESC) AS of_week
    FROM runs FINAL
    WHERE NOT asked
)
WHERE (started_at < {day_ago:DateTime64(3)} AND of_day > 1 OR started_at < {weeks_ago:DateTime64(3)} AND of_week > 1)
    AND id NOT IN (SELECT arrayJoin([attrs['run'], attrs['lift_run']]) FROM facts(as_of = {as_of:DateTime64(3)}) WHERE kind = 'budgeted')
