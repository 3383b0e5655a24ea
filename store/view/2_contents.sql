-- A row is one registered content in its latest state.
CREATE OR REPLACE VIEW contents AS
SELECT
    content,
    last_attrs['title']     AS title,
    last_attrs['kind']      AS kind,
    last_attrs['url']       AS url,
    last_attrs['other_urls'] AS other_urls,
    last_attrs['stage']     AS stage,
    last_attrs['persona']   AS persona,
    last_attrs['version']   AS version,
    last_attrs['tags']      AS tags,
    last_attrs['owner']     AS owner,
    last_attrs['file']      AS file,
    last_attrs['file_name'] AS file_name,
    parseDateTime64BestEffortOrZero(last_attrs['published_at'], 3, 'UTC') AS published_at,
    parseDateTime64BestEffortOrZero(last_attrs['expires_at'], 3, 'UTC')   AS expires_at,
    last_attrs AS attrs,
    last_id    AS id
FROM
(
    SELECT
        content,
        argMax(attrs, (at, received_at, id)) AS last_attrs,
        argMax(id, (at, received_at, id))    AS last_id
    FROM facts(as_of = {as_of:DateTime64(3)})
    WHERE kind = 'content'
    GROUP BY content
)
