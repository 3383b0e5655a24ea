-- A row is one party of one deal for which a person's word or a merge counts, beside what the deal itself lists; word is 1 if a person
-- said so, 2 if a person denied it, and 0 for a party that a merged deal had listed.
INSERT INTO snapshot_words (snapshot, deal, party, word)
WITH
    -- In most companies nobody said anything and nothing was merged yet.
    (SELECT count() FROM facts(as_of = {as_of:DateTime64(3)}) AS f WHERE kind IN ('assigned', 'retracted')) > 0 AS some,

    -- A row is one deal that went into another, with where it is now, at most two steps on.
    merged AS
    (
        SELECT source.deal AS deal, xxHash64(if(next.into != '', next.into, source.into)) AS target
        FROM
        (
            SELECT deal, argMax(if(kind = 'retracted', attrs['into'], ''), (at, received_at, id)) AS into
            FROM facts(as_of = {as_of:DateTime64(3)}) AS f
            WHERE some AND kind IN ('deal', 'retracted') AND deal IN (SELECT deal FROM facts(as_of = {as_of:DateTime64(3)}) AS g WHERE kind = 'retracted' AND attrs['into'] != '')
            GROUP BY deal
            HAVING into != ''
        ) AS source
        LEFT JOIN
        (
            SELECT deal, argMax(attrs['into'], (at, received_at, id)) AS into
            FROM facts(as_of = {as_of:DateTime64(3)}) AS f
            WHERE some AND kind = 'retracted' AND deal != ''
            GROUP BY deal
        ) AS next ON next.deal = source.into
    ),

    -- A row is the last word that a person said on one deal and one party; that a deal was merged is such a word on its links.
    words AS
    (
        SELECT deal, party, argMax(yes, (at_ms, yes)) AS told
        FROM
        (
            SELECT
                if(m.target != 0, m.target, xxHash64(f.deal)) AS deal,
                xxHash64(multiIf(contact != '', contact, account != '', toString(account), share)) AS party,
                toUnixTimestamp64Milli(at) AS at_ms, attrs['not'] != 'yes' AS yes
            FROM facts(as_of = {as_of:DateTime64(3)}) AS f
            LEFT JOIN merged AS m ON m.deal = f.deal
            WHERE some AND kind = 'assigned' AND attrs['holdout'] = '' AND f.deal != ''
            UNION ALL
            SELECT target, xxHash64(concat('deal ', deal)), 0, true FROM merged
        )
        GROUP BY deal, party
    ),

    -- A row is one party that a deal which is gone now had listed, with the deal that has it instead.
    inherited AS
    (
        SELECT DISTINCT target AS deal, xxHash64(arrayJoin(names)) AS party
        FROM
        (
            SELECT deal, argMax(splitByChar(' ', concat(attrs['contacts'], ' ', account)), (at, received_at, id)) AS names
            FROM facts(as_of = {as_of:DateTime64(3)}) AS f
            WHERE some AND kind = 'deal' AND deal IN (SELECT deal FROM merged)
            GROUP BY deal
        ) AS last
        INNER JOIN merged ON merged.deal = last.deal
    )
SELECT {snapshot:String}, deal, party, 0 FROM inherited
UNION ALL
SELECT {snapshot:String}, deal, party, if(told, 1, 2) FROM words
