-- A row is one touch of one deal, with the rule that tied them and how sure that is: a content sent, opened,
-- clicked, viewed or answered. A reply to a mail with two contents is two touches of one id.
CREATE OR REPLACE VIEW deal_touches AS
SELECT id, at, kind, agent, probability, level, content, share, message, rep, contacts, rule, confidence, arrayJoin(deals) AS deal
FROM tied(as_of = {as_of:DateTime64(3)})
WHERE kind IN ('sent', 'opened', 'clicked', 'viewed', 'replied') AND content != ''
