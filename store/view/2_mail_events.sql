-- A row is one mail and one content in it, or a mail without content, that was sent, passed on or answered. It needs nothing that only the
-- other views know.
CREATE OR REPLACE VIEW mail_events AS
SELECT id, at, kind, source, content, share, message, contact, rep, rules, signal
FROM facts(as_of = {as_of:DateTime64(3)})
WHERE kind IN ('sent', 'replied', 'forwarded')
