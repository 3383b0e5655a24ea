-- A row is one event that we had learned of by as_of, once, in its newest revision.
CREATE OR REPLACE VIEW facts AS
SELECT * FROM events FINAL WHERE received_at <= {as_of:DateTime64(3)}
