-- A row is one deal of a layout as parties ask for it: when it closes, and who is on it.
INSERT INTO snapshot_deals (snapshot, deal, name, domain, status, until_ms, contacts)
SELECT
    layout, xxHash64(deal), deal, domain, status,
    multiIf(reinterpretAsUInt128(id) = 0, 0, status = 'open' OR toUnixTimestamp64Milli(closed_at) = 0, 10413705600000, toUnixTimestamp64Milli(closed_at)),
    contacts
FROM layout_deals
WHERE layout = {snapshot:String}
