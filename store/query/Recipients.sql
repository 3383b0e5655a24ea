-- A row is one share with one contact that it was made for or mailed to, and what its click would be tied to.
SELECT share, contact, argMax(toString(account), account != ''), max(deal)
FROM
(
    SELECT share, contact, account, if(deal != '', deal, max(deal) OVER (PARTITION BY share)) AS deal
    FROM facts(as_of = {as_of:DateTime64(3)})
    WHERE kind IN ('sent', 'shared') AND share != ''
)
GROUP BY share, contact
