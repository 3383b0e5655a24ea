-- A row is one touch of one deal, with the rule that tied them.
CREATE OR REPLACE VIEW deal_touches AS
SELECT id, at, kind, agent, probability, level, content, share, message, rep, contacts, rule, arrayJoin(deals) AS deal
FROM tied(as_of = {as_of:DateTime64(3)})
