-- A row is one deal in its latest state with its segment and size as attribution has them, but the size by the amount in the
-- deal's own currency, and the team of its owner.
CREATE OR REPLACE VIEW segments AS
SELECT
    deal, domain, contacts, stage, status, closed_at, lower(owner) AS owner,
    attrs['team']    AS team,
    attrs['segment'] AS segment,
    multiIf(
        attrs['size'] != '', attrs['size'],
        amount IS NULL,      '',
        amount < 10000,      'under 10k',
        amount < 100000,     '10k to 100k',
        '100k and over') AS size
FROM deals(as_of = {as_of:DateTime64(3)}) AS known
