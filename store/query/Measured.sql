-- A row is the baseline that was kept last.
SELECT attrs['report'] FROM facts(as_of = {as_of:DateTime64(3)}) WHERE kind = 'measured' ORDER BY at DESC, received_at DESC, id DESC LIMIT 1
