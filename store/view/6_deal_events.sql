-- A row is one event of mail, or of content, of one deal: sent, opened, clicked, viewed, answered or forwarded, with content or without. mail is
-- the same for events of one mail, people for those of the same candidates, once as in the view resolved.
CREATE OR REPLACE VIEW deal_events AS
SELECT arrayJoin(deals) AS deal, at, kind, level, content, xxHash64(if(message = '', hex(id), message)) AS mail, xxHash64(contacts) AS people, once
FROM tied(as_of = {as_of:DateTime64(3)})
WHERE kind IN ('sent', 'opened', 'clicked', 'viewed', 'replied', 'forwarded')
