-- A row is one link or file that reps send and that was not registered when they did, with how many reps sent it
-- by now and the content that it is nearly a copy of. dismissed is what a person said of it last.
WITH attrs['dismissed'] AS said
SELECT
    attrs['what'] AS what,
    attrs['url'] AS url,
    argMaxIf(attrs['name'], (at, received_at, id), said = '') AS name,
    toUInt64OrZero(attrs['size']) AS size,
    argMaxIf(content, (received_at, at, id), said = '') AS near,
    max(toUInt64OrZero(attrs['reps'])) AS reps,
    maxIf(at, said = '') AS seen,
    argMaxIf(said, (at, received_at, id), said != '') = 'yes' AS dismissed
FROM facts(as_of = {as_of:DateTime64(3)})
WHERE kind = 'sighted'
GROUP BY what, url, lower(attrs['name']), size
HAVING countIf(said = '') > 0
