-- A row is one contact that the CRM told us of after a time.
SELECT DISTINCT contact
FROM facts(as_of = {as_of:DateTime64(3)})
WHERE kind = 'contact' AND contact != '' AND received_at > {since:DateTime64(3)}
ORDER BY contact
