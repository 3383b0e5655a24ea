-- A row is one holdout in its latest state, the newest first.
SELECT
    argMax(content, (at, received_at, id)) AS last_content,
    argMax(attrs, (at, received_at, id))   AS last_attrs,
    argMax(id, (at, received_at, id))      AS last_id,
    max(at)                                AS last_at
FROM facts(as_of = {as_of:DateTime64(3)})
WHERE kind = 'holdout'
GROUP BY attrs['id'] AS holdout
ORDER BY last_attrs['started_at'] DESC, holdout DESC
