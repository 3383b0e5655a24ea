-- A row is one event of one content that a report may count: sent, opened, clicked, viewed or replied.
-- A reply to a mail with two contents is two touches of one id.
CREATE OR REPLACE VIEW touches AS
SELECT id, at, kind, agent, probability, level, content, share, message, rep, deal, contacts, account
FROM resolved(as_of = {as_of:DateTime64(3)})
WHERE kind IN ('sent', 'opened', 'clicked', 'viewed', 'replied') AND content != ''
