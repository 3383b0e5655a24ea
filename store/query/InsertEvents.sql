-- A row is one event as the pipe delivered it, without the person.
INSERT INTO events (id, revision, kind, at, received_at, revised_at, source, content, share, message, contact, account, rep, deal, stage, agent, probability, rules, signal, rule_set, signs, network, origin, device, led_to, withheld, note, attrs)
