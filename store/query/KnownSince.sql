-- The only row is when the first event of a contact was received, 1970 if there is none.
SELECT min(received_at) FROM events WHERE contact IN {contacts:Array(String)}
